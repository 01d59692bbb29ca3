/* The Inception network by which FID, KID and the Inception score are defined: TensorFlow's of 2015-12-05
 * (arXiv 1512.00567) with the names of torchvision's port; kind AYF_MODEL_INCEPTION. It differs from
 * torchvision's own network: 1008 classes, average pools that leave the padding out, and a maximum in place
 * of the average in Mixed_7c. */
#ifndef AYF_NN_INCEPTION_H
#define AYF_NN_INCEPTION_H

#include "nn/params.h"

enum { AYF_INCEPTION_SIZE = 299, AYF_INCEPTION_FEATURES = 2048, AYF_INCEPTION_CLASSES = 1008 };

/* Fills the table, of buffers only: the network is for inference. False without memory. */
bool ayf_inception_params(ayf_params *p);

/* x (N,299,299,3), (byte - 128) / 128 of pictures resized by ayf_inception_resize(). Returns the logits
 * (N,1008) without the bias of the last layer, as the Inception score is defined (arXiv 1606.03498) and its
 * common codes have it; *features are (N,2048), of which FID and KID are made. All leaves are PARAM leaves.
 */
ayf_id ayf_inception(ayf_graph *g, const ayf_params *params, ayf_id x, ayf_id *features);

#endif
