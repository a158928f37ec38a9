/* The work on edges, in one pass over them: rows of atoms stay in the cache, rows of edges stream.
 *
 * Matrices are of float, row by row, with d columns; indices count rows. With
 * s(u) = 1 / (1 + exp(-u)), the activation is m(u) = u s and its slope m'(u) = s + m (1 - s).
 * Sums run in the order of the edges, so that results are the same every time. Nothing is saved
 * for the way back: the exponential is cheaper than a row fetched from memory.
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

/* out = m(u), and u becomes m'(u). */
void lkm_activate(size_t count, float *u, float *out)
{
#pragma omp simd
    for (size_t k = 0; k < count; k++) {
        float s = sigmoid(u[k]), m = u[k] * s;
        out[k] = m;
        u[k] = slope(s, m);
    }
}

/* inner = grad * slope, and bias = the sum of its rows. */
void lkm_activate_back(size_t rows, size_t d, const float *grad,
                       const float *slopes, float *inner, float *bias)
{
    for (size_t row = 0; row < rows; row++, grad += d, slopes += d, inner += d)
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            inner[k] = grad[k] * slopes[k];
            bias[k] += inner[k];
        }
}

/* out[to] += m(here[at] + there[of] + edge[kind]) * weights[kind] for every edge. Without `to`,
 * each edge has a row of its own. */
void lkm_messages(size_t edges, size_t d, const int64_t *to, const int64_t *at, const int64_t *of,
                  const int64_t *kind, const float *here, const float *there, const float *edge,
                  const float *weights, float *out)
{
    for (size_t e = 0; e < edges; e++) {
        const float *a = here + at[e] * d, *b = there + of[e] * d;
        const float *c = edge + kind[e] * d, *w = weights + kind[e] * d;
        float *sum = out + (to ? (size_t)to[e] : e) * d;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float u = a[k] + b[k] + c[k];
            sum[k] += u * sigmoid(u) * w[k];
        }
    }
}

/* With g = grad[to] and u as above: m'(u) g weights[kind] is added to the gradients of here[at],
 * there[of] and edge[kind], and m(u) g to that of weights[kind]. */
void lkm_messages_back(size_t edges, size_t d, const int64_t *to, const int64_t *at,
                       const int64_t *of, const int64_t *kind, const float *here,
                       const float *there, const float *edge, const float *weights,
                       const float *grad, float *for_here, float *for_there, float *for_edge,
                       float *for_weights)
{
    for (size_t e = 0; e < edges; e++) {
        const float *a = here + at[e] * d, *b = there + of[e] * d;
        const float *c = edge + kind[e] * d, *w = weights + kind[e] * d;
        const float *g = grad + (to ? (size_t)to[e] : e) * d;
        float *for_a = for_here + at[e] * d, *for_b = for_there + of[e] * d;
        float *for_c = for_edge + kind[e] * d, *for_w = for_weights + kind[e] * d;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float u = a[k] + b[k] + c[k];
            float s = sigmoid(u), m = u * s;
            float inner = g[k] * w[k] * slope(s, m);
            for_a[k] += inner;
            for_b[k] += inner;
            for_c[k] += inner;
            for_w[k] += g[k] * m;
        }
    }
}

/* out[to] += x[of] * m(u) for every row of u. Without `to`, each has a row of its own. */
void lkm_deliver(size_t rows, size_t d, const int64_t *to, const int64_t *of, const float *x,
                 const float *u, float *out)
{
    for (size_t row = 0; row < rows; row++, u += d) {
        const float *from = x + of[row] * d;
        float *sum = out + (to ? (size_t)to[row] : row) * d;
#pragma omp simd
        for (size_t k = 0; k < d; k++)
            sum[k] += from[k] * u[k] * sigmoid(u[k]);
    }
}

/* With g = grad[to]: the gradient of u is g x[of] m'(u), and g m(u) is added to that of x[of]. */
void lkm_deliver_back(size_t rows, size_t d, const int64_t *to, const int64_t *of, const float *x,
                      const float *u, const float *grad, float *for_x, float *for_u)
{
    for (size_t row = 0; row < rows; row++, u += d, for_u += d) {
        const float *from = x + of[row] * d, *g = grad + (to ? (size_t)to[row] : row) * d;
        float *for_from = for_x + of[row] * d;
#pragma omp simd
        for (size_t k = 0; k < d; k++) {
            float s = sigmoid(u[k]), m = u[k] * s;
            for_from[k] += g[k] * m;
            for_u[k] = g[k] * from[k] * slope(s, m);
        }
    }
}
