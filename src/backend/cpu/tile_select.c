#include "backend/cpu/tile_select.h"

#include <string.h>

enum { MAX_FACTORS = 8 };

typedef struct selector {
    const ayf_graph *g;
    const ayf_step *step;
    const ayf_group *group;
    ayf_tile_instr *code;
    uint16_t uses[AYF_GROUP_MAX_VALUES];
} selector;

/* ---- When may an instruction be folded into another? ---- */

static bool is_stored(const selector *s, uint32_t i) { return s->group->value[i].store >= 0; }

/* What others read is the rounded value, which cannot be computed again from its inputs. */
static bool is_rounded(const selector *s, uint32_t i) {
    int store = s->group->value[i].store;
    return store >= 0 && ayf_out_element(s->step, (uint32_t)store) == AYF_BF16;
}

/* May instruction `to` read value x in place of instruction `from`? Memory that an update in the same group
 * may overwrite is read before anything is stored. */
static bool can_read_later(const selector *s, uint16_t x, uint32_t from, uint32_t to) {
    if (s->code[x].op != AYF_OP_INPUT) return true;
    if (ayf_at(s->g, s->group->view[s->group->value[x].in[0]].base)->op != AYF_OP_INPUT) return true;
    for (uint32_t i = from; i < to; i++)
        if (is_stored(s, i)) return false;
    return true;
}

static bool can_fold(const selector *s, uint32_t inner, uint32_t outer) {
    const ayf_tile_instr *c = &s->code[inner];
    if (s->uses[inner] != 1 || is_stored(s, inner)) return false;
    for (int k = 0; k < c->inputs; k++)
        if (!can_read_later(s, c->in[k], inner, outer)) return false;
    return true;
}

/* ---- Derivatives of SiLU ---- */

/* The factors of a product, through products that nobody else reads. */
static int factors_of(const selector *s, uint32_t product, uint16_t *factor) {
    int count = 0, open = 1;
    uint16_t stack[MAX_FACTORS] = {(uint16_t)product};
    bool row = s->code[product].row;
    while (open) {
        uint16_t at = stack[--open];
        const ayf_tile_instr *c = &s->code[at];
        bool inside = at == product || (s->uses[at] == 1 && !is_stored(s, at));
        if (c->op == AYF_OP_MUL && c->row == row && inside && count + open + 2 <= MAX_FACTORS) {
            stack[open++] = c->in[0];
            stack[open++] = c->in[1];
        } else {
            factor[count++] = at;
        }
    }
    return count;
}

static bool take(uint16_t *factor, int *count, uint16_t value) {
    for (int i = 0; i < *count; i++)
        if (factor[i] == value) {
            factor[i] = factor[--*count];
            return true;
        }
    return false;
}

/* Takes one factor sigmoid(sign * x); x is any value when *x < 0. */
static bool take_sigmoid(const selector *s, uint16_t *factor, int *count, bool negative, int *x) {
    for (int i = 0; i < *count; i++) {
        const ayf_tile_instr *c = &s->code[factor[i]];
        if (c->op != AYF_OP_SIGMOID) continue;
        uint16_t of = c->in[0];
        bool is_negative = s->code[of].op == AYF_OP_NEG;
        if (is_negative) of = s->code[of].in[0];
        if (is_negative != negative || (*x >= 0 && of != *x)) continue;
        *x = of;
        factor[i] = factor[--*count];
        return true;
    }
    return false;
}

/* first = y sigmoid(x), second = y x sigmoid(x) sigmoid(-x), which add up to y silu'(x). */
static bool is_dsilu(const selector *s, uint32_t first, uint32_t second, uint16_t *x, uint16_t *y) {
    if (s->code[first].op != AYF_OP_MUL || s->code[second].op != AYF_OP_MUL) return false;
    if (s->code[first].row != s->code[second].row) return false;
    uint16_t a[MAX_FACTORS], b[MAX_FACTORS];
    int na = factors_of(s, first, a), nb = factors_of(s, second, b), of = -1;
    if (!take_sigmoid(s, a, &na, false, &of) || !take_sigmoid(s, b, &nb, false, &of) ||
        !take_sigmoid(s, b, &nb, true, &of))
        return false;
    if (!take(b, &nb, (uint16_t)of) || na != 1 || nb != 1 || a[0] != b[0]) return false;
    *x = (uint16_t)of;
    *y = a[0];
    return true;
}

static bool is_dsilu_either_way(const selector *s, uint32_t a, uint32_t b, uint16_t *x, uint16_t *y) {
    return is_dsilu(s, a, b, x, y) || is_dsilu(s, b, a, x, y);
}

static void set_dsilu(selector *s, uint32_t at, uint16_t x, uint16_t y) {
    ayf_tile_instr *c = &s->code[at];
    c->op = AYF_TILE_DSILU;
    c->inputs = 2;
    c->in[0] = x;
    c->in[1] = y;
}

/* Sum i = p + t with t one of the two terms: the other is p or a term of p. */
static bool find_dsilu(selector *s, uint32_t i) {
    ayf_tile_instr *c = &s->code[i];
    if (c->op != AYF_OP_ADD) return false;
    for (int side = 0; side < 2; side++) {
        uint16_t t = c->in[side], p = c->in[1 - side], x = 0, y = 0;
        if (t == p || is_stored(s, t) || is_rounded(s, p)) continue;
        if (is_dsilu_either_way(s, p, t, &x, &y) && can_read_later(s, x, x, i) &&
            can_read_later(s, y, y, i)) {
            set_dsilu(s, i, x, y);
            return true;
        }
        for (uint16_t q = p; s->code[q].op == AYF_OP_ADD && s->uses[q] == 1 && !is_stored(s, q);) {
            uint16_t next = q;
            for (int k = 0; k < 2; k++) {
                uint16_t term = s->code[q].in[k];
                if (s->uses[term] == 1 && !is_stored(s, term) && is_dsilu_either_way(s, term, t, &x, &y)) {
                    /* x and y come before both terms, and the sum p before i. */
                    bool safe =
                        can_fold(s, p, i) && can_read_later(s, x, x, term) && can_read_later(s, y, y, term);
                    if (!safe) continue;
                    set_dsilu(s, term, x, y);
                    memcpy(c->in, s->code[p].in, sizeof c->in);
                    s->uses[p] = 0;
                    return true;
                }
                if (s->code[term].op == AYF_OP_ADD) next = term;
            }
            if (next == q) break;
            q = next;
        }
    }
    return false;
}

/* ---- Pairs ---- */

/* outer(.., inner(a, b), ..) becomes fused(a, b, the others): inner is input `side` of outer. */
static const struct pair {
    uint16_t outer, side, inner, fused;
} pairs[] = {
    {AYF_OP_MUL, 0, AYF_OP_MUL, AYF_TILE_MUL_MUL},
    {AYF_OP_MUL, 1, AYF_OP_MUL, AYF_TILE_MUL_MUL},
    {AYF_OP_MUL, 0, AYF_OP_ADD, AYF_TILE_SUM_TIMES},
    {AYF_OP_MUL, 1, AYF_OP_ADD, AYF_TILE_SUM_TIMES},
    {AYF_OP_MUL, 0, AYF_OP_GT, AYF_TILE_MASK},
    {AYF_OP_MUL, 1, AYF_OP_GT, AYF_TILE_MASK},
    {AYF_OP_ADD, 0, AYF_OP_MUL, AYF_TILE_MUL_ADD},
    {AYF_OP_ADD, 1, AYF_OP_MUL, AYF_TILE_MUL_ADD},
    {AYF_OP_ADD, 0, AYF_OP_ADD, AYF_TILE_ADD_ADD},
    {AYF_OP_ADD, 1, AYF_OP_ADD, AYF_TILE_ADD_ADD},
    {AYF_TILE_MUL_ADD, 2, AYF_OP_MUL, AYF_TILE_MUL_PLUS_MUL},
    {AYF_OP_SUB, 0, AYF_OP_MUL, AYF_TILE_MUL_SUB},
    {AYF_OP_SUB, 1, AYF_OP_MUL, AYF_TILE_SUB_MUL},
    {AYF_OP_MIN, 0, AYF_OP_MAX, AYF_TILE_CLAMP},
    {AYF_TILE_CLAMP, 0, AYF_OP_ADD, AYF_TILE_ADD_CLAMP},
    {AYF_TILE_SILU, 0, AYF_OP_MUL, AYF_TILE_MUL_SILU},
    {AYF_TILE_DSILU, 0, AYF_OP_MUL, AYF_TILE_MUL_DSILU},
};

static void fold(selector *s, uint16_t *in, uint8_t *inputs, int side, uint8_t inner_inputs) {
    uint16_t inner = in[side], joined[2 * AYF_TILE_MAX_INPUTS] = {0};
    int count = 0;
    for (int k = 0; k < inner_inputs; k++) joined[count++] = s->code[inner].in[k];
    for (int k = 0; k < *inputs; k++)
        if (k != side) joined[count++] = in[k];
    s->uses[inner] = 0;
    *inputs = (uint8_t)count;
    memcpy(in, joined, sizeof *in * AYF_TILE_MAX_INPUTS);
}

static bool fold_pair(selector *s, uint32_t i) {
    ayf_tile_instr *c = &s->code[i];
    for (size_t p = 0; p < AYF_COUNT(pairs); p++) {
        if (pairs[p].outer != c->op) continue;
        uint16_t inner = c->in[pairs[p].side];
        const ayf_tile_instr *d = &s->code[inner];
        if (d->op != pairs[p].inner || d->row != c->row || !can_fold(s, inner, i)) continue;
        fold(s, c->in, &c->inputs, pairs[p].side, d->inputs);
        c->op = pairs[p].fused;
        return true;
    }
    return false;
}

/* x sigmoid(x); the sigmoid may have been for this product alone. */
static bool fold_silu(selector *s, uint32_t i) {
    ayf_tile_instr *c = &s->code[i];
    for (int side = 0; c->op == AYF_OP_MUL && side < 2; side++) {
        uint16_t sigmoid = c->in[side], x = c->in[1 - side];
        const ayf_tile_instr *d = &s->code[sigmoid];
        if (d->op != AYF_OP_SIGMOID || d->in[0] != x || d->row != c->row || !can_fold(s, sigmoid, i))
            continue;
        s->uses[sigmoid] = 0;
        s->uses[x]--;
        c->op = AYF_TILE_SILU;
        c->inputs = 1;
        c->in[0] = x;
        return true;
    }
    return false;
}

/* m + m with m = a b: a b + a b. */
static bool fold_double(selector *s, uint32_t i) {
    ayf_tile_instr *c = &s->code[i];
    uint16_t m = c->in[0];
    const ayf_tile_instr *d = &s->code[m];
    if (c->op != AYF_OP_ADD || m != c->in[1] || d->op != AYF_OP_MUL || d->row != c->row) return false;
    if (s->uses[m] != 2 || is_stored(s, m) || !can_read_later(s, d->in[0], m, i) ||
        !can_read_later(s, d->in[1], m, i))
        return false;
    s->uses[m] = 0;
    *c = (ayf_tile_instr){.op = AYF_TILE_MUL_PLUS_MUL,
                          .inputs = 4,
                          .row = c->row,
                          .needed = c->needed,
                          .in = {d->in[0], d->in[1], d->in[0], d->in[1]}};
    s->uses[d->in[0]]++;
    s->uses[d->in[1]]++;
    return true;
}

static void fold_summand(selector *s, uint32_t at, uint16_t *in, uint8_t *inputs, uint8_t *summand) {
    const ayf_tile_instr *d = &s->code[in[0]];
    bool mul = d->op == AYF_OP_MUL, both = d->op == AYF_TILE_MUL_PLUS_MUL;
    if ((!mul && !both) || d->row || !can_fold(s, in[0], at)) return;
    *summand = mul ? AYF_TILE_SUM_MUL : AYF_TILE_SUM_MUL_PLUS_MUL;
    fold(s, in, inputs, 0, d->inputs);
}

/* ---- All together ---- */

static void count_uses(selector *s) {
    memset(s->uses, 0, sizeof s->uses);
    for (uint32_t i = 0; i < s->group->terminal_count; i++) s->uses[s->group->terminal[i].value]++;
    for (uint32_t i = s->group->value_count; i-- > 0;) {
        ayf_tile_instr *c = &s->code[i];
        c->needed = s->uses[i] || is_stored(s, i);
        for (int k = 0; c->needed && k < c->inputs; k++) s->uses[c->in[k]]++;
    }
}

void ayf_tile_select(const ayf_graph *g, const ayf_step *step, ayf_tile_instr *code, ayf_tile_total *total) {
    const ayf_group *group = step->group;
    selector s = {.g = g, .step = step, .group = group, .code = code};
    uint32_t n = group->value_count;
    for (uint32_t i = 0; i < n; i++) {
        const ayf_value *v = &group->value[i];
        bool leaf = v->op == AYF_OP_INPUT || v->op == AYF_OP_CONST;
        code[i] = (ayf_tile_instr){.op = v->op,
                                   .inputs = leaf ? 0 : (uint8_t)ayf_op_table[v->op].inputs,
                                   .row = v->row,
                                   .in = {v->in[0], v->in[1]}};
    }
    count_uses(&s);
    for (uint32_t i = 0; i < n; i++)
        if (code[i].needed && find_dsilu(&s, i)) count_uses(&s);
    for (uint32_t i = 0; i < n; i++) {
        ayf_tile_instr *c = &code[i];
        if (!c->needed) continue;
        fold_silu(&s, i);
        fold_double(&s, i);
        if (c->op == AYF_OP_SUM) fold_summand(&s, i, c->in, &c->inputs, &c->summand);
        while (fold_pair(&s, i)) continue;
    }
    for (uint32_t i = 0; i < group->terminal_count; i++) {
        total[i] = (ayf_tile_total){.summand = AYF_TILE_SUM, .inputs = 1, .in = {group->terminal[i].value}};
        fold_summand(&s, n, total[i].in, &total[i].inputs, &total[i].summand);
    }
    for (uint32_t i = 0; i < n; i++) code[i].needed = s.uses[i] || is_stored(&s, i);
}
