#include "ir/conv.h"

static void copy_dims(int64_t *to, const ayf_node *n) {
    for (int i = 0; i < 4; i++) to[i] = n->dim[i];
}

ayf_conv_shape ayf_conv_of(const ayf_graph *g, const ayf_node *n) {
    const ayf_node *a = ayf_at(g, n->in[0]), *b = ayf_at(g, n->in[1]);
    int pad = n->attr[1];
    ayf_conv_shape s = {
        .stride = n->attr[0], .pad_top = pad, .pad_left = pad, .pad_bottom = pad, .pad_right = pad};
    copy_dims(s.x, n->op == AYF_OP_CONV_DGRAD ? n : a);
    copy_dims(s.w, n->op == AYF_OP_CONV_WGRAD ? n : b);
    copy_dims(s.y, n->op == AYF_OP_CONV_FPROP ? n : n->op == AYF_OP_CONV_DGRAD ? a : b);
    return s;
}

const char *ayf_conv_misfit(const ayf_conv_shape *s) {
    for (int i = 0; i < 4; i++)
        if (s->x[i] < 1 || s->w[i] < 1 || s->y[i] < 1) return "every size must be at least 1";
    if (s->x[0] != s->y[0] || s->x[3] != s->w[3] || s->y[3] != s->w[0]) return "channels or batch do not fit";
    if (s->stride < 1 || s->pad_top < 0 || s->pad_left < 0 || s->pad_bottom < 0 || s->pad_right < 0)
        return "bad stride or padding";
    int64_t tall = s->x[1] + s->pad_top + s->pad_bottom - s->w[1];
    int64_t wide = s->x[2] + s->pad_left + s->pad_right - s->w[2];
    bool fits = tall >= 0 && wide >= 0 && s->y[1] == tall / s->stride + 1 && s->y[2] == wide / s->stride + 1;
    return fits ? NULL : "image sizes do not fit";
}
