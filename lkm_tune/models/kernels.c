/* The work on edges, in one pass over them: rows of atoms stay in the cache, rows of edges stream.
 *
 * Matrices are of float, row by row, with d columns; indices count rows. With
 * s(u) = 1 / (1 + exp(-u)), the activation is m(u) = u s and its slope m'(u) = s + m (1 - s).
 * Sums run in the order of the edges, so that results are the same every time. Messages
 * save nothing for the way back: an exponential is cheaper than a row fetched from memory.
 *
 * The results of a loop never overlap what it reads, which `omp simd` tells the compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Written so that compilers vectorise it: exp(-u) = 2^n e^r with n whole and |r| <= ln(2) / 2, and
 * e^r by six terms of its series, exact to 1.2e-7. */
static inline float sigmoid(float u)
{
    float t = -1.44269504f * u; /* log2(e) */
    t = t < 126.0f ? t : 126.0f;
    t = t > -126.0f ? t : -126.0f;
    float n = __builtin_rintf(t);
    float r = (t - n) * 0.693147181f; /* ln(2) */
    float e = 1.0f / 720.0f;
    e = 1.0f / 120.0f + r * e;
    e = 1.0f / 24.0f + r * e;
    e = 1.0f / 6.0f + r * e;
    e = 0.5f + r * e;
    e = 1.0f + r * e;
    e = 1.0f + r * e;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return 1.0f / (1.0f + power * e);
}

static inline float slope(float s, float m)
{
    return s + m * (1.0f - s);
}

/* m''(u) */
static inline float bend(float s, float u)
{
    return s * (1.0f - s) * (2.0f + u * (1.0f - 2.0f * s));
}

/* out = m(u + bias) + skip, either of them left out where it is NULL; u becomes m'(u + bias). */
void lkm_activate(size_t rows, size_t d, float *u, const float *bias, const float *skip, float *out)
{
    for (size_t row = 0; row < rows; row++, u += d, out += d) {
        const float *more = skip ? skip + row * d : NULL;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float v = bias ? u[k] + bias[k] : u[k];
            float s = sigmoid(v), m = v * s;
            out[k] = more ? m + more[k] : m;
            u[k] = slope(s, m);
        }
    }
}

/* As lkm_activate; bends becomes m''(u + bias). */
void lkm_activate_twice(size_t rows, size_t d, float *u, const float *bias, const float *skip,
                        float *out, float *bends)
{
    for (size_t row = 0; row < rows; row++, u += d, out += d, bends += d) {
        const float *more = skip ? skip + row * d : NULL;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float v = bias ? u[k] + bias[k] : u[k];
            float s = sigmoid(v), m = v * s;
            out[k] = more ? m + more[k] : m;
            u[k] = slope(s, m);
            bends[k] = bend(s, v);
        }
    }
}

/* The way up of the gradients of a slope (see _DenseSlope): change = inner * slopes, and inner
 * becomes inner * grad * bends. */
void lkm_rise(size_t rows, size_t d, const float *slopes, const float *bends, const float *grad,
              float *inner, float *change)
{
#pragma omp simd
    for (size_t k = 0; k < rows * d; k++) {
        change[k] = inner[k] * slopes[k];
        inner[k] *= grad[k] * bends[k];
    }
}

/* The way down: bars += below * slopes, if there is any below; for_bias = the sum of its rows. */
void lkm_descend(size_t rows, size_t d, const float *slopes, const float *below, float *bars,
                 float *for_bias)
{
    memset(for_bias, 0, d * sizeof *for_bias);
    for (size_t row = 0; row < rows; row++, slopes += d, bars += d) {
        const float *more = below ? below + row * d : NULL;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            if (more)
                bars[k] += more[k] * slopes[k];
            for_bias[k] += bars[k];
        }
    }
}

/* inner = grad * slopes, for_bias = the sum of its rows. */
void lkm_activate_back(size_t rows, size_t d, const float *slopes, const float *grad, float *inner,
                       float *for_bias)
{
    memset(for_bias, 0, d * sizeof *for_bias);
    for (size_t row = 0; row < rows; row++, grad += d, slopes += d, inner += d) {
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            inner[k] = grad[k] * slopes[k];
            for_bias[k] += inner[k];
        }
    }
}

/* The rows of `atoms` are [here | there], those of `edges` [edge | weight], 2 d columns. For edges
 * in both directions or one, those that share a row of `edges` side by side:
 * out[to] += m(here[at] + there[of] + edge[kind]) * weight[kind]. Without `to`, each edge has a
 * row of its own. */
void lkm_messages(size_t count, size_t d, const int64_t *to, const int64_t *at, const int64_t *of,
                  const int64_t *kind, const float *atoms, const float *edges, float *out)
{
    for (size_t e = 0; e < count; e++) {
        const float *here = atoms + at[e] * 2 * d, *there = atoms + of[e] * 2 * d + d;
        const float *edge = edges + kind[e] * 2 * d, *weight = edge + d;
        float *sum = out + (to ? (size_t)to[e] : e) * d;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float u = here[k] + there[k] + edge[k];
            sum[k] += u * sigmoid(u) * weight[k];
        }
    }
}

/* With g = grad[to] and u as above: m'(u) g weight[kind] is added to the gradients of here[at],
 * there[of] and edge[kind], and m(u) g to that of weight[kind]. Those of edges begin at what is
 * `owed` to them already, at 0 where it is NULL. */
void lkm_messages_back(size_t count, size_t d, const int64_t *to, const int64_t *at,
                       const int64_t *of, const int64_t *kind, const float *atoms,
                       const float *edges, const float *grad, const float *owed,
                       float *for_atoms, float *for_edges)
{
    for (size_t e = 0; e < count; e++) {
        const float *here = atoms + at[e] * 2 * d, *there = atoms + of[e] * 2 * d + d;
        const float *edge = edges + kind[e] * 2 * d, *weight = edge + d;
        const float *g = grad + (to ? (size_t)to[e] : e) * d;
        float *for_here = for_atoms + at[e] * 2 * d, *for_there = for_atoms + of[e] * 2 * d + d;
        float *for_edge = for_edges + kind[e] * 2 * d, *for_weight = for_edge + d;
        if (e == 0 || kind[e] != kind[e - 1]) {
            if (owed)
                memcpy(for_edge, owed + kind[e] * 2 * d, 2 * d * sizeof *for_edge);
            else
                memset(for_edge, 0, 2 * d * sizeof *for_edge);
        }
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float u = here[k] + there[k] + edge[k];
            float s = sigmoid(u), m = u * s;
            float inner = g[k] * weight[k] * slope(s, m);
            for_here[k] += inner;
            for_there[k] += inner;
            for_edge[k] += inner;
            for_weight[k] += g[k] * m;
        }
    }
}

/* The gradients of lkm_messages_back, whose results have the gradients `on_atoms` and `on_edges`:
 * those of grad[to], here[at] and there[of], edge[kind] and weight[kind] are added to. */
void lkm_messages_twice(size_t count, size_t d, const int64_t *to, const int64_t *at,
                        const int64_t *of, const int64_t *kind, const float *atoms,
                        const float *edges, const float *grad, const float *on_atoms,
                        const float *on_edges, float *for_grad, float *for_atoms,
                        float *for_edges)
{
    for (size_t e = 0; e < count; e++) {
        size_t i = at[e] * 2 * d, j = of[e] * 2 * d + d, l = kind[e] * 2 * d;
        size_t row = (to ? (size_t)to[e] : e) * d;
        const float *here = atoms + i, *there = atoms + j, *edge = edges + l, *weight = edge + d;
        const float *on_here = on_atoms + i, *on_there = on_atoms + j, *on_edge = on_edges + l;
        const float *on_weight = on_edge + d, *g = grad + row;
        float *for_here = for_atoms + i, *for_there = for_atoms + j, *for_edge = for_edges + l;
        float *for_weight = for_edge + d, *for_g = for_grad + row;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float u = here[k] + there[k] + edge[k];
            float s = sigmoid(u), m = u * s, m1 = slope(s, m);
            float inner = on_here[k] + on_there[k] + on_edge[k];
            float for_u = (inner * weight[k] * bend(s, u) + on_weight[k] * m1) * g[k];
            for_g[k] += inner * weight[k] * m1 + on_weight[k] * m;
            for_here[k] += for_u;
            for_there[k] += for_u;
            for_edge[k] += for_u;
            for_weight[k] += inner * g[k] * m1;
        }
    }
}

/* out[to] += x[of] * m(u[kind] + bias) for every pair, those that share a row of u side by side.
 * Without `to`, each pair has a row of its own. */
void lkm_deliver(size_t count, size_t d, const int64_t *to, const int64_t *of, const int64_t *kind,
                 const float *x, const float *u, const float *bias, float *out)
{
    for (size_t t = 0; t < count; t++) {
        const float *from = x + of[t] * d, *row = u + kind[t] * d;
        float *sum = out + (to ? (size_t)to[t] : t) * d;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float v = row[k] + bias[k];
            sum[k] += from[k] * v * sigmoid(v);
        }
    }
}

/* With g = grad[to] and v = u[kind] + bias: g x[of] m'(v) is added to the gradients of u[kind] and
 * the bias, and g m(v) to that of x[of]. */
void lkm_deliver_back(size_t count, size_t d, const int64_t *to, const int64_t *of,
                      const int64_t *kind, const float *x, const float *u, const float *bias,
                      const float *grad, float *for_x, float *for_u, float *for_bias)
{
    for (size_t t = 0; t < count; t++) {
        const float *from = x + of[t] * d, *row = u + kind[t] * d;
        const float *g = grad + (to ? (size_t)to[t] : t) * d;
        float *for_from = for_x + of[t] * d, *for_row = for_u + kind[t] * d;
        if (t == 0 || kind[t] != kind[t - 1])
            memset(for_row, 0, d * sizeof *for_row);
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float v = row[k] + bias[k], s = sigmoid(v), m = v * s;
            float inner = g[k] * from[k] * slope(s, m);
            for_from[k] += g[k] * m;
            for_row[k] += inner;
            for_bias[k] += inner;
        }
    }
}

/* The gradients of lkm_deliver_back, whose results have the gradients `on_x`, `on_u` and
 * `on_bias`: those of grad[to], x[of], u[kind] and the bias are added to. */
void lkm_deliver_twice(size_t count, size_t d, const int64_t *to, const int64_t *of,
                       const int64_t *kind, const float *x, const float *u, const float *bias,
                       const float *grad, const float *on_x, const float *on_u,
                       const float *on_bias, float *for_grad, float *for_x, float *for_u,
                       float *for_bias)
{
    for (size_t t = 0; t < count; t++) {
        size_t f = of[t] * d, l = kind[t] * d, row = (to ? (size_t)to[t] : t) * d;
        const float *from = x + f, *on_from = on_x + f, *v0 = u + l, *on_v = on_u + l;
        const float *g = grad + row;
        float *for_from = for_x + f, *for_v = for_u + l, *for_g = for_grad + row;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float v = v0[k] + bias[k];
            float s = sigmoid(v), m = v * s, m1 = slope(s, m);
            float inner = on_v[k] + on_bias[k];
            float both = (on_from[k] * m1 + inner * from[k] * bend(s, v)) * g[k];
            for_g[k] += on_from[k] * m + inner * from[k] * m1;
            for_from[k] += inner * g[k] * m1;
            for_v[k] += both;
            for_bias[k] += both;
        }
    }
}
