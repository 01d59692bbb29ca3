/* THE table of configuration keys: it makes the struct in config.h, the parser, the writer, the defaults and
 * the text of `ayf help config`. It is included several times, each time with other definitions of
 *
 *   SECTION(name, help)                                     END(name)
 *   STRING(section, name, default, help)                    char *
 *   BOOL  (section, name, default, help)                    bool
 *   INT   (section, name, default, min, max, help)          int
 *   LONG  (section, name, default, min, max, help)          int64_t
 *   REAL  (section, name, default, min, max, help)          double, both ends included
 *   CHOICE(section, name, type, default, help)              enum type of config.h
 *   INTS  (section, name, (default, ...), min, max, help)   ayf_cfg_ints
 *
 * It has no include guard for that reason, and it undefines them all at its end. Help texts are wrapped when
 * they are printed.
 */
/* clang-format off */

SECTION(data, "The data set that a run learns")
STRING(data, source, "builtin:shapes",
    "an image folder, an EDM-style ZIP, an IDX file, a CIFAR-10 folder, or a built-in set: builtin:shapes "
    "(images), builtin:ring, builtin:checkerboard, builtin:moons, builtin:spirals or builtin:gaussian (2-D "
    "points)")
INT(data, resolution, 0, 0, 4096,
    "images are centre-cropped and resized to this many pixels a side; 0 = the stored size (builtin:shapes: "
    "32). 28 x 28 IDX pictures (MNIST) are first padded to 32 x 32")
INT(data, channels, 0, 0, 3, "1 = grey, 3 = colour; 0 = the stored number")
BOOL(data, mirror, false, "also train on mirrored images")
BOOL(data, labels, true, "learn the classes; every sample then needs a label")
REAL(data, sigma_data, 0.0, 0.0, 1000.0,
    "standard deviation of the data in [-1, 1] units; the data is divided by it before training. 0 = measure "
    "it")
END(data)

SECTION(model, "The network; a student takes its teacher's unless it starts from scratch")
CHOICE(model, kind, ayf_cfg_model_kind, AYF_CFG_MODEL_UNET,
    "unet = EDM2's magnitude-preserving U-Net for images, mlp = a network for 2-D sets")
INT(model, channels, 64, 1, 4096, "unet: channels at full resolution")
INTS(model, multipliers, (1, 2, 2), 1, 64,
    "unet: channels of each level as a multiple of model.channels. Each further level has half the "
    "resolution")
INT(model, blocks, 2, 1, 16, "unet: residual blocks per level")
INTS(model, attention, (16, 8), 1, 4096, "unet: resolutions that have self-attention")
INT(model, channels_per_head, 64, 1, 4096,
    "unet: channels per attention head; a block with fewer channels has no attention")
CHOICE(model, precond, ayf_cfg_precond, AYF_CFG_PRECOND_NONE,
    "skip connection around the network: none, or velocity, which is exact for Gaussian data. Imported EDM2 "
    "weights need velocity")
REAL(model, bandwidth_noise, 0.5, 0.0, 1000.0,
    "spread of the Fourier features of t, in cycles; low values keep the derivatives with respect to time "
    "small")
REAL(model, bandwidth_gap, 0.5, 0.0, 1000.0, "spread of the Fourier features of t - s, in cycles")
REAL(model, bandwidth_guidance, 0.25, 0.0, 1000.0,
    "spread of the Fourier features of the guidance strength, in cycles")
REAL(model, label_balance, 0.5, 0.0, 1.0, "unet: share of the class in the embedding")
REAL(model, concat_balance, 0.5, 0.0, 1.0, "unet: share of the skip connection in a concatenation")
REAL(model, res_balance, 0.3, 0.0, 1.0, "unet: share of the residual branch")
REAL(model, attn_balance, 0.3, 0.0, 1.0, "unet: share of the attention branch")
REAL(model, clip_act, 256.0, 0.0, 1e30, "unet: activations are clipped to this magnitude; 0 = no clipping")
INT(model, hidden, 256, 1, 65536, "mlp: width of the hidden layers")
INT(model, layers, 4, 1, 64, "mlp: number of hidden layers")
INT(model, fourier, 64, 1, 4096, "mlp: Fourier features per embedding")
END(model)

SECTION(train, "Optimisation of teachers and students")
LONG(train, steps, 10000, 1, 1000000000000, "optimiser steps of the whole run")
INT(train, batch, 64, 1, 1048576, "samples per step")
LONG(train, seed, 0, 0, INT64_MAX, "the same seed gives the same run")
REAL(train, lr, 0.005, 0.0, 10.0, "peak learning rate of Adam")
LONG(train, lr_warmup, -1, -1, 1000000000000,
    "steps over which the learning rate rises from 0; -1 = the smaller of 100 and a tenth of train.steps")
CHOICE(train, lr_schedule, ayf_cfg_lr_schedule, AYF_CFG_LR_COSINE,
    "after the warm-up: constant, cosine = falls to 0 at the last step, invsqrt = lr / sqrt(step / "
    "lr_decay_start)")
LONG(train, lr_decay_start, 0, 0, 1000000000000,
    "step at which cosine or invsqrt begins to fall; invsqrt needs at least 1")
REAL(train, beta1, 0.9, 0.0, 0.999999, "Adam: decay of the first moment")
REAL(train, beta2, 0.99, 0.0, 0.9999999, "Adam: decay of the second moment")
REAL(train, eps, 1e-8, 1e-30, 1.0, "Adam: added to the square root of the second moment")
CHOICE(train, ema, ayf_cfg_ema_kind, AYF_CFG_EMA_POWER,
    "average of the weights, which is saved and used for sampling: power = EDM2's power function, halflife = "
    "exponential, none = the weights themselves")
REAL(train, ema_std, 0.1, 0.001, 0.28,
    "ema = power: width of the average relative to the length of the run so far")
REAL(train, ema_halflife, 500.0, 0.001, 1e30, "ema = halflife: half-life in steps")
REAL(train, time_mean, 0.0, -20.0, 20.0, "teacher: t = sigmoid(time_mean + time_std * normal)")
REAL(train, time_std, 1.0, 0.0, 20.0, "teacher: see time_mean")
REAL(train, label_dropout, 0.0, 0.0, 1.0,
    "teacher: share of the samples whose class is hidden. About 0.1 makes distill.guidance = cfg possible")
BOOL(train, weight_norm, true,
    "unet: renormalise the weights after every step (EDM2's forced weight normalisation)")
REAL(train, grad_clip, 0.0, 0.0, 1e30, "largest norm of the gradient; 0 = unlimited")
END(train)

SECTION(distill, "Distillation of a teacher into a flow map (ayf distill)")
STRING(distill, teacher, "",
    "model file or run folder of the teacher; analytic = the exact velocity of a built-in 2-D set")
STRING(distill, weak, "", "model file or run folder of the weak teacher that autoguidance steers away from")
CHOICE(distill, loss, ayf_cfg_distill_loss, AYF_CFG_LOSS_EMD,
    "emd = Eulerian map distillation, lmd = Lagrangian map distillation")
CHOICE(distill, target, ayf_cfg_distill_target, AYF_CFG_TARGET_TEACHER,
    "source of the velocity: teacher, or data = x_1 - x_0 without a teacher (MeanFlow)")
CHOICE(distill, norm, ayf_cfg_tangent_norm, AYF_CFG_NORM_RMS,
    "normalisation of the tangent, g / (|g| + norm_c): rms, l2 or none")
REAL(distill, norm_c, 0.1, 1e-12, 1e6, "see norm")
REAL(distill, r_max, 0.99, 0.0, 1.0, "final weight r of the derivative term")
LONG(distill, warmup_steps, -1, -1, 1000000000000,
    "steps over which r rises from 0 to r_max, counted from the end of mid-training; -1 = a tenth of the "
    "steps after mid-training")
REAL(distill, gap_mean, -0.6, -20.0, 20.0, "time pairs: t - s = sigmoid(gap_mean + gap_std * normal)")
REAL(distill, gap_std, 1.6, 0.0, 20.0, "see gap_mean")
REAL(distill, p_s0, 0.2, 0.0, 1.0, "share of the time pairs with s = 0")
REAL(distill, p_st, 0.3, 0.0, 1.0, "share of the time pairs with s = t")
BOOL(distill, s_zero_only, false, "use s = 0 in every time pair; this trains a consistency model")
CHOICE(distill, guidance, ayf_cfg_guidance_kind, AYF_CFG_GUIDANCE_AUTO,
    "model that the teacher steers away from. autoguidance = the weak teacher (distill.weak), cfg = the "
    "teacher without the class (classifier-free guidance; train the teacher with train.label_dropout above "
    "0), none = no guidance. The velocity is v = lambda * teacher + (1 - lambda) * weak, with lambda uniform "
    "in [guidance_min, guidance_max]")
REAL(distill, guidance_min, 1.0, 0.0, 100.0, "lowest guidance strength; above 0. See guidance")
REAL(distill, guidance_max, 2.0, 0.0, 100.0, "highest guidance strength. See guidance")
LONG(distill, midtrain_steps, 0, 0, 1000000000000,
    "number of mid-training steps (arXiv 2509.24526) at the start of train.steps; 0 = no mid-training. These "
    "steps regress stored trajectories of the teacher and need no derivative")
INT(distill, midtrain_trajectories, 1024, 1, 100000000,
    "mid-training: number of trajectories to make and keep (in memory during mid-training)")
INT(distill, midtrain_solver_steps, 8, 2, 1000, "mid-training: Heun steps per trajectory")
CHOICE(distill, student_init, ayf_cfg_student_init, AYF_CFG_INIT_TEACHER,
    "initial weights of the student: teacher = the teacher's, scratch = random")
END(distill)

SECTION(finetune, "Adversarial fine-tuning (ayf finetune); the loss of the distill section is kept")
STRING(finetune, student, "",
    "model file or run folder of the student. train.batch and the data, model and distill sections are taken "
    "from it unless set")
REAL(finetune, lr, 0.0002, 0.0, 10.0, "peak learning rate of the student, in place of train.lr")
REAL(finetune, disc_lr, 0.002, 0.0, 10.0, "peak learning rate of the discriminator")
REAL(finetune, disc_beta1, 0.0, 0.0, 0.999999, "Adam of the discriminator: decay of the first moment")
REAL(finetune, disc_beta2, 0.99, 0.0, 0.9999999, "Adam of the discriminator: decay of the second moment")
REAL(finetune, alpha, 1.0, 0.0, 1e6,
    "weight of the adversarial loss, which is added to the distillation loss (0.1 in the paper)")
BOOL(finetune, adaptive, true,
    "multiply alpha by |gradient of the distillation loss| / |gradient of the adversarial loss|, both at the "
    "output layer")
LONG(finetune, disc_first, -1, -1, 1000000000000,
    "first steps of the run, in which only the discriminator learns from the fakes; -1 = the smaller of 100 "
    "and a tenth of train.steps")
REAL(finetune, penalty, 1.0, 0.0, 1e6,
    "beta, the weight of the gradient penalties R1 (at the data) and R2 (at the fakes) (0.1 in the paper)")
INT(finetune, penalty_every, 1, 1, 1000000,
    "steps from one evaluation of the penalties to the next; their weight is multiplied by this number")
INT(finetune, fake_steps, 1, 1, 64, "jumps from noise to a fake; only the last jump carries gradient")
INT(finetune, channel_base, 1024, 1, 1048576, "discriminator: channels times resolution, up to channel_max")
INT(finetune, channel_max, 64, 1, 4096, "discriminator: largest number of channels of a layer")
INT(finetune, deviation_group, 4, 1, 4096,
    "discriminator: samples over which the standard deviation is taken; train.batch must be a multiple of it")
REAL(finetune, logit_limit, 20.0, 0.1, 1e6,
    "stop when the discriminator separates data from fakes by more than this (difference of the mean logits)")
END(finetune)

SECTION(save, "Files that the run folder keeps")
LONG(save, every, 1000, 0, 1000000000000,
    "steps between checkpoints; 0 = only at the end and when the run is stopped")
LONG(save, grid_every, 1000, 0, 1000000000000, "steps between sample grids; 0 = only at the end")
LONG(save, log_every, 10, 1, 1000000000000, "steps between lines of log.jsonl")
INT(save, keep, 2, 0, 1000000, "number of checkpoints kept, newest first; 0 = all")
END(save)

/* clang-format on */

#undef SECTION
#undef END
#undef STRING
#undef BOOL
#undef INT
#undef LONG
#undef REAL
#undef CHOICE
#undef INTS
