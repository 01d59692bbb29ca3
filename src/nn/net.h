/* Networks as graphs. All take a batch of N samples; the flow networks take a condition per sample:
 *
 *     ayf_scope(g, "student.");
 *     ayf_condition c = {.t = t, .s = s, .guidance = guidance, .onehot = onehot};
 *     ayf_id u = ayf_network(g, &spec, AYF_STORE_STATE, x, c);
 *
 * The leaves are those of the parameter table (params.h) with the graph's scope in front; `storage` is their
 * storage (PARAM: frozen, STATE: trained). Calling twice with the same arguments gives the same node.
 * A condition holds exactly what the network takes: t; s and guidance if spec->is_student; onehot if label_dim is not
 * 0. Anything else fails the graph.
 */
#ifndef AYF_NN_NET_H
#define AYF_NN_NET_H

#include "ir/ir.h"
#include "nn/condition.h"
#include "nn/params.h"

/* EDM2's "config G" U-Net (arXiv 2312.02696, Figure 21), magnitude-preserving.
 * x (N,H,W,C), H = W = img_resolution. Returns (N,H,W,C).
 * A student's embedding before the class is added, with Fourier features f, f1, f2:
 *   (emb_noise(f(t)) + g1 emb_gap(f1(t-s)) + g2 emb_guidance(f2(guidance))) / sqrt(1 + g1^2 + g2^2). */
ayf_id ayf_edm2_unet(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                     ayf_condition condition);

/* Fully connected network with SiLU for points; x (N,...) with mlp_dim values per sample, the result has the
 * shape of x:  h = silu(Wx x + Wt f(t) [+ Wg f1(t-s) + Wl f2(guidance)] [+ Wc onehot] + b), then mlp_layers - 1
 * hidden layers and a linear one. */
ayf_id ayf_mlp(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
               ayf_condition condition);

/* The flow network that spec->kind names. */
ayf_id ayf_network(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                   ayf_condition condition);

/* The residual discriminator of StyleGAN2 (arXiv 1912.04958) as in NVIDIA's stylegan2-ada-pytorch: FIR
 * [1,3,3,1] resampling, equalised learning rate, leaky ReLU, minibatch standard deviation and, with classes,
 * projection onto a mapped class embedding. x (N,H,W,C), H = W = img_resolution, fakes and reals as they are;
 * onehot (N,label_dim). Returns the logits (N), high for real images.
 * The minibatch standard deviation makes a logit depend on the other samples of its group: N must be at most
 * mbstd_group_size or a multiple of it. At resolution 4, where NVIDIA's code has no input layer,
 * `b4.fromrgb` is in front of the epilogue. */
ayf_id ayf_sg2_discriminator(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                             ayf_id onehot);

/* The Inception network by which FID, KID and the Inception score are defined: TensorFlow's of 2015-12-05 (arXiv
 * 1512.00567) with the names of torchvision's port. It differs from torchvision's own network: 1008 classes, average
 * pools that leave the padding out, and a maximum in place of the average in Mixed_7c. For inference: its parameters
 * are PARAM leaves.
 * x (N,299,299,3), (byte - 128) / 128 of pictures brought to this size by ayf_inception_resize(). Returns the logits
 * (N,1008) without the bias of the last layer, as the Inception score is defined (arXiv 1606.03498) and its common
 * codes have it; *features are (N,2048), of which FID and KID are made. */
enum { AYF_INCEPTION_SIZE = 299, AYF_INCEPTION_FEATURES = 2048, AYF_INCEPTION_CLASSES = 1008 };
ayf_id ayf_inception(ayf_graph *g, ayf_id x, ayf_id *features);

/* The classifier behind "our features" (kind AYF_MODEL_FEATURES): per value of feature_channels two 3x3 convolutions with
 * leaky ReLU, the resolution halved between them; the mean over the pixels; a hidden layer of feature_dim units, the
 * features; a linear layer. x (N,H,W,C), pixels in [-1,1] -> logits (N,label_dim), *features (N,feature_dim). */
ayf_id ayf_feature_network(ayf_graph *g, const ayf_model_spec *spec, ayf_storage storage, ayf_id x,
                           ayf_id *features);

#endif
