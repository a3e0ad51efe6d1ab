/* Small CPU renderer: linear-blend skinning, a visibility buffer in which garments are cut fragment
 * by fragment with a scalar field, one shadow map, and procedural shading. No dependencies;
 * compiled on first use by rasteriser.py.
 *
 * Lengths are decimetres (the unit of the body mesh), y up, camera depth is +z, colours are linear
 * RGB.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN, STRIPES, CHECKS, DOTS, BLOTCHES, TEXTURE, PRINT, STRANDS };
enum { TEXTURE_SIDE = 128, HIDDEN = 255 };

/* Every member is a float so that the ctypes mirror cannot drift in alignment. */
typedef struct {
    float base[3], second[3], trim[3];
    float pattern, scale, duty, blend, texture;
    float cosine, sine, offset[2];
    float grain, grain_scale, fold, fold_scale;
    float wrap, specular, shininess, rim;
    float trim_width, placket, button_pitch, lapel, pocket, belt, tie, fray;
} Material;

typedef struct {
    int vertices, triangles, person, two_sided;
    const float *position, *normal, *rest, *field, *tint;
    const int *triangle;
    const uint8_t *label;
    float bias;
    Material material;
} Layer;

typedef struct {
    float rotation[9], translation[3], focal, centre_x, centre_y, orthographic;
} View;

typedef struct {
    float key_direction[3], key_colour[3], fill_direction[3], fill_colour[3], sky[3], ground[3],
        shadow;
} Light;

static inline float mix(float a, float b, float t) { return a + (b - a) * t; }
static inline float dot(const float *a, const float *b)
{ return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
static inline void normalise(float *v)
{
    float s = 1 / sqrtf(dot(v, v) + 1e-12f);
    v[0] *= s;
    v[1] *= s;
    v[2] *= s;
}
static inline float fraction(float x) { return x - floorf(x); }

/* out = sum_k weight_k * (bone_k @ [rest, 1]); bone is (bones, 3, 4). */
void skin(int n, const float *rest, const int *index, const float *weight, const float *bone,
          float *out)
{
    for (int i = 0; i < n; i++) {
        float m[12] = {0};
        for (int j = 0; j < 4; j++) {
            float w = weight[4 * i + j];
            const float *b = bone + 12 * index[4 * i + j];
            if (w > 0)
                for (int k = 0; k < 12; k++) m[k] += w * b[k];
        }
        const float *p = rest + 3 * i;
        for (int r = 0; r < 3; r++) out[3 * i + r] = dot(m + 4 * r, p) + m[4 * r + 3];
    }
}

void vertex_normals(int n, const float *v, int triangles, const int *t, float *out)
{
    memset(out, 0, sizeof(float) * 3 * n);
    for (int i = 0; i < triangles; i++) {
        const float *a = v + 3 * t[3 * i], *b = v + 3 * t[3 * i + 1], *c = v + 3 * t[3 * i + 2];
        float e[3], f[3];
        for (int k = 0; k < 3; k++) {
            e[k] = b[k] - a[k];
            f[k] = c[k] - a[k];
        }
        float m[3] = {e[1] * f[2] - e[2] * f[1], e[2] * f[0] - e[0] * f[2],
                      e[0] * f[1] - e[1] * f[0]};
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 3; k++) out[3 * t[3 * i + j] + k] += m[k];
    }
    for (int i = 0; i < n; i++) normalise(out + 3 * i);
}

static inline float hash(int x, int y, int z)
{
    uint32_t h = (uint32_t)x * 374761393u + (uint32_t)y * 668265263u + (uint32_t)z * 2147483647u;
    h = (h ^ (h >> 13)) * 1274126177u;
    h ^= h >> 16;
    return (h & 0xffffff) / 16777215.0f;
}

/* Value noise in [0, 1]. */
static float noise(float x, float y, float z)
{
    int X = (int)floorf(x), Y = (int)floorf(y), Z = (int)floorf(z);
    float u = x - X, v = y - Y, w = z - Z;
    u = u * u * (3 - 2 * u);
    v = v * v * (3 - 2 * v);
    w = w * w * (3 - 2 * w);
    float a = mix(mix(hash(X, Y, Z), hash(X + 1, Y, Z), u),
                  mix(hash(X, Y + 1, Z), hash(X + 1, Y + 1, Z), u), v);
    float b = mix(mix(hash(X, Y, Z + 1), hash(X + 1, Y, Z + 1), u),
                  mix(hash(X, Y + 1, Z + 1), hash(X + 1, Y + 1, Z + 1), u), v);
    return mix(a, b, w);
}

static void transform(const View *view, const float *p, float *q)
{
    for (int r = 0; r < 3; r++) q[r] = dot(view->rotation + 3 * r, p) + view->translation[r];
}

static void project(const View *view, const Layer *layer, float *screen)
{
    for (int i = 0; i < layer->vertices; i++) {
        float q[3], *s = screen + 3 * i;
        transform(view, layer->position + 3 * i, q);
        float scale = view->focal;
        if (view->orthographic < 0.5f) {
            if (q[2] < 0.5f) {
                s[2] = -1;
                continue;
            } /* behind or at the lens: its triangles are dropped */
            scale /= q[2];
        }
        s[0] = scale * q[0] + view->centre_x;
        s[1] = view->centre_y - scale * q[1];
        s[2] = q[2];
    }
}

typedef struct {
    int layer, triangle;
    float w1, w2;
} Fragment;

/* How far strands of hair are cut back at a point: the edge of a cut becomes ragged along the
 * strands. */
static float frayed(const Layer *layer, const int *T, float w0, float w1, float w2)
{
    float p[3];
    for (int k = 0; k < 3; k++)
        p[k] = w0 * layer->rest[3 * T[0] + k] + w1 * layer->rest[3 * T[1] + k] +
               w2 * layer->rest[3 * T[2] + k];
    float s = layer->material.scale * 1.5f;
    return layer->material.fray * noise(p[0] * s, p[1] * s * .15f, p[2] * s);
}

static void rasterise(int width, int height, const Layer *layer, int index, const float *screen,
                      float *depth, Fragment *fragment)
{
    for (int t = 0; t < layer->triangles; t++) {
        if (layer->label[t] == HIDDEN) continue;
        const int *T = layer->triangle + 3 * t;
        const float *a = screen + 3 * T[0], *b = screen + 3 * T[1], *c = screen + 3 * T[2];
        if (a[2] <= 0 || b[2] <= 0 || c[2] <= 0) continue;
        float f0 = 0, f1 = 0, f2 = 0;
        if (layer->field) {
            f0 = layer->field[T[0]];
            f1 = layer->field[T[1]];
            f2 = layer->field[T[2]];
            if (f0 < 0 && f1 < 0 && f2 < 0) continue;
        }
        float area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if (fabsf(area) < 1e-9f || (!layer->two_sided && area > 0)) continue;
        float inverse = 1 / area;
        int x0 = (int)fmaxf(0, ceilf(fminf(a[0], fminf(b[0], c[0])) - .5f));
        int x1 = (int)fminf(width - 1, floorf(fmaxf(a[0], fmaxf(b[0], c[0])) - .5f));
        int y0 = (int)fmaxf(0, ceilf(fminf(a[1], fminf(b[1], c[1])) - .5f));
        int y1 = (int)fminf(height - 1, floorf(fmaxf(a[1], fmaxf(b[1], c[1])) - .5f));
        for (int y = y0; y <= y1; y++)
            for (int x = x0; x <= x1; x++) {
                float px = x + .5f, py = y + .5f;
                float w1 = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) * inverse;
                float w2 = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) * inverse,
                      w0 = 1 - w1 - w2;
                if (w0 < 0 || w1 < 0 || w2 < 0) continue;
                if (layer->field) {
                    float f = w0 * f0 + w1 * f1 + w2 * f2;
                    if (f < 0 || (f < layer->material.fray && f < frayed(layer, T, w0, w1, w2)))
                        continue;
                }
                float z = w0 * a[2] + w1 * b[2] + w2 * c[2] - layer->bias;
                int i = y * width + x;
                if (z < depth[i]) {
                    depth[i] = z;
                    if (fragment) fragment[i] = (Fragment){index, t, w1, w2};
                }
            }
    }
}

/* Fraction of the (2*radius+1)^2 shadow-map taps round point p that lie in shadow. */
static float occlusion(const View *sun, const float *map, int side, const float *p, int radius,
                       float spread, float bias)
{
    float q[3];
    transform(sun, p, q);
    float u = sun->focal * q[0] + sun->centre_x, v = sun->centre_y - sun->focal * q[1];
    int taps = 0, dark = 0;
    for (int a = -radius; a <= radius; a++)
        for (int b = -radius; b <= radius; b++) {
            int x = (int)floorf(u + a * spread), y = (int)floorf(v + b * spread);
            if (x < 0 || y < 0 || x >= side || y >= side) continue;
            taps++;
            dark += map[y * side + x] < q[2] - bias;
        }
    return taps ? dark / (float)taps : 0;
}

static float folds(const Material *m, const float *p)
{
    float f = m->fold_scale, x = p[0] * f + m->offset[0], y = p[1] * f * .55f + m->offset[1],
          z = p[2] * f;
    return noise(x, y, z) + .5f * noise(2 * x, 2 * y, 2 * z);
}

static void texel(const uint8_t *textures, int count, const Material *m, int x, int y, float *out)
{
    const uint8_t *p =
        textures + (((size_t)m->texture % count * TEXTURE_SIDE + y) * TEXTURE_SIDE + x) * 3;
    for (int k = 0; k < 3; k++) {
        float c = p[k] / 255.f;
        out[k] = c * c;
    }
}

/* The texel that a coordinate falls on when copies of the texture lie side by side, every other one
 * mirrored: then no seam shows. */
static int mirrored(float at)
{
    int i = (int)floorf(at * TEXTURE_SIDE) & (2 * TEXTURE_SIDE - 1);
    return i < TEXTURE_SIDE ? i : 2 * TEXTURE_SIDE - 1 - i;
}

/* Albedo at rest-space point p; field is the distance to the garment's cut edge. */
static void albedo(const Material *m, const float *p, float field, const float *tint,
                   const uint8_t *textures, int texture_count, float *out)
{
    float u = m->cosine * p[0] - m->sine * p[1], v = m->sine * p[0] + m->cosine * p[1],
          s = m->scale, t = 0;
    float texture[3], blend = 0;
    switch ((int)m->pattern) {
    case STRIPES:
        t = fraction(v * s) < m->duty;
        break;
    case CHECKS:
        t = .5f * (fraction(u * s) < m->duty) + .5f * (fraction(v * s) < m->duty);
        break;
    case DOTS: {
        float a = fraction(u * s) - .5f, b = fraction(v * s) - .5f;
        t = a * a + b * b < m->duty * m->duty * .25f;
        break;
    }
    case BLOTCHES:
        t = noise(p[0] * s + m->offset[0], p[1] * s, p[2] * s) +
                .5f * noise(2 * p[0] * s, 2 * p[1] * s, 2 * p[2] * s) >
            .75f;
        break;
    case TEXTURE:
        texel(textures, texture_count, m, mirrored((u + p[2] * .7f) * s + m->offset[0]),
              mirrored(-v * s), texture);
        blend = m->blend;
        break;
    case PRINT: {
        float a = p[0] / m->duty + .5f, b = (p[1] - m->offset[1]) / m->duty + .5f;
        if (p[2] > 0 && a > 0 && a < 1 && b > 0 && b < 1) {
            texel(textures, texture_count, m, (int)(a * (TEXTURE_SIDE - 1)),
                  (int)((1 - b) * (TEXTURE_SIDE - 1)), texture);
            blend = 1;
        }
        break;
    }
    case STRANDS:
        t = noise(p[0] * s + m->offset[0], p[1] * s * .08f, p[2] * s);
        break;
    }
    for (int k = 0; k < 3; k++) {
        out[k] = mix(m->base[k], m->second[k], t);
        if (blend > 0) out[k] = mix(out[k], texture[k], blend);
    }
    float ax = fabsf(p[0]);
    if (field < m->trim_width) memcpy(out, m->trim, sizeof(float) * 3);
    if (p[2] > 0 && m->placket > 0 && ax < m->placket) {
        for (int k = 0; k < 3; k++) out[k] *= ax > m->placket * .85f ? .55f : .95f;
        float b = (fraction(p[1] / m->button_pitch) - .5f) * m->button_pitch;
        if (m->button_pitch > 0 && p[0] * p[0] + b * b < .012f)
            memcpy(out, m->trim, sizeof(float) * 3);
    }
    if (m->lapel > 0 &&
        p[2] > 0) { /* collar and lapels: a wedge that narrows downwards, with a seam */
        float edge = (p[1] - m->lapel) * .45f;
        if (edge > 0 && ax < edge)
            for (int k = 0; k < 3; k++) out[k] *= .8f;
        if (edge > 0 && fabsf(ax - edge) < .05f)
            for (int k = 0; k < 3; k++) out[k] *= .4f;
    }
    if (m->tie > 0 && p[2] > 0) {
        float below = m->tie - p[1];
        if (below > 0 && ax < (below < .3f ? .2f : .12f + .04f * below))
            memcpy(out, m->second, sizeof(float) * 3);
    }
    if (m->pocket > 0 && p[2] > 0) {
        float a = fabsf(ax - .75f), b = fabsf(p[1] - m->pocket);
        if (a < .4f && b < .45f && (a > .36f || b > .41f))
            for (int k = 0; k < 3; k++) out[k] *= .55f;
    }
    if (m->belt != 0 && fabsf(p[1] - m->belt) < .18f) {
        float buckle = p[2] > 0 && ax < .22f;
        for (int k = 0; k < 3; k++) out[k] = buckle ? .5f : m->trim[k] * .3f;
    }
    float g = m->grain_scale;
    float grain =
        1 + m->grain * (noise(p[0] * g + m->offset[0], p[1] * g, p[2] * g) +
                        .6f * noise(p[0] * g * 4, p[1] * g * 4 + m->offset[1], p[2] * g * 4) - .8f);
    for (int k = 0; k < 3; k++) out[k] *= grain * tint[k];
}

static void shade(const Layer *layer, const Fragment *f, const float *eye, const Light *light,
                  const View *sun, const float *map, int side, const uint8_t *textures,
                  int texture_count, float *out)
{
    const Material *m = &layer->material;
    const int *T = layer->triangle + 3 * f->triangle;
    float w[3] = {1 - f->w1 - f->w2, f->w1, f->w2}, P[3] = {0}, N[3] = {0}, R[3] = {0},
          tint[3] = {1, 1, 1}, field = 1e9f;
    if (layer->tint) tint[0] = tint[1] = tint[2] = 0;
    if (layer->field) field = 0;
    for (int j = 0; j < 3; j++) {
        for (int k = 0; k < 3; k++) {
            P[k] += w[j] * layer->position[3 * T[j] + k];
            N[k] += w[j] * layer->normal[3 * T[j] + k];
            R[k] += w[j] * layer->rest[3 * T[j] + k];
            if (layer->tint) tint[k] += w[j] * layer->tint[3 * T[j] + k];
        }
        if (layer->field) field += w[j] * layer->field[T[j]];
    }
    float V[3] = {eye[0] - P[0], eye[1] - P[1], eye[2] - P[2]};
    normalise(V);
    normalise(N);
    if (dot(N, V) < -.1f)
        for (int k = 0; k < 3; k++) N[k] = -N[k];
    if (m->fold > 0) {
        const float e = .15f;
        float n0 = folds(m, R), s = e / m->fold_scale;
        for (int k = 0; k < 3; k++) {
            float q[3] = {R[0], R[1], R[2]};
            q[k] += k == 1 ? s / .55f : s;
            N[k] -= m->fold * (folds(m, q) - n0) / e;
        }
        normalise(N);
    }
    float colour[3];
    albedo(m, R, field, tint, textures, texture_count, colour);
    float lit = side > 1 ? 1 - light->shadow * occlusion(sun, map, side, P, 1, 1.2f, .35f) : 1;
    float cosine = dot(N, light->key_direction), key = fmaxf(0, (cosine + m->wrap) / (1 + m->wrap));
    key *= cosine > 0 ? lit : .6f + .4f * lit;
    float fill = fmaxf(0, (dot(N, light->fill_direction) + .3f) / 1.3f);
    float facing = fmaxf(0, dot(N, V)), cavity = .62f + .38f * facing, up = .5f + .5f * N[1];
    float half[3] = {light->key_direction[0] + V[0], light->key_direction[1] + V[1],
                     light->key_direction[2] + V[2]};
    normalise(half);
    float gloss = cosine > 0 ? m->specular * powf(fmaxf(0, dot(N, half)), m->shininess) * lit : 0;
    float edge = 1 - facing, rim = m->rim * edge * edge * edge;
    for (int k = 0; k < 3; k++)
        out[k] = colour[k] * (mix(light->ground[k], light->sky[k], up) * cavity +
                              light->key_colour[k] * key + light->fill_colour[k] * fill) +
                 light->key_colour[k] * gloss + rim * light->sky[k];
}

/* Renders at oversample times (width, height) and resolves. The view is given in oversampled
 * pixels. rgba: premultiplied colour and coverage (height, width, 4); label, person: (height,
 * width), taken at one sample near the pixel's centre; shadow: (height, width), what the ground
 * behind the people keeps of its light. */
int render(int width, int height, int oversample, const Layer *layers, int count, const View *view,
           const Light *light, const View *sun, int side, const uint8_t *textures,
           int texture_count, float *rgba, uint8_t *label, uint8_t *person, float *shadow)
{
    int w = width * oversample, h = height * oversample, most = 1;
    for (int i = 0; i < count; i++)
        if (layers[i].vertices > most) most = layers[i].vertices;
    float *screen = malloc(sizeof(float) * 3 * most),
          *map = malloc(sizeof(float) * (side * side + 1));
    float *depth = malloc(sizeof(float) * w * h);
    Fragment *fragment = malloc(sizeof(Fragment) * w * h);
    if (!screen || !map || !depth || !fragment) {
        free(screen);
        free(map);
        free(depth);
        free(fragment);
        return 1;
    }
    for (int i = 0; i < w * h; i++) {
        depth[i] = 1e9f;
        fragment[i].layer = -1;
    }
    for (int i = 0; i < side * side; i++) map[i] = 1e9f;
    for (int i = 0; i < count; i++) {
        project(view, layers + i, screen);
        rasterise(w, h, layers + i, i, screen, depth, fragment);
        if (side > 1) {
            project(sun, layers + i, screen);
            rasterise(side, side, layers + i, i, screen, map, 0);
        }
    }
    float eye[3];
    for (int k = 0; k < 3; k++)
        eye[k] = -(view->rotation[k] * view->translation[0] +
                   view->rotation[3 + k] * view->translation[1] +
                   view->rotation[6 + k] * view->translation[2]);
    const float weight = 1.f / (oversample * oversample);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int i = y * width + x,
                centre = (y * oversample + oversample / 2) * w + x * oversample + oversample / 2;
            float *o = rgba + 4 * i;
            o[0] = o[1] = o[2] = o[3] = 0;
            const Fragment *corner = fragment + y * oversample * w + x * oversample;
            int whole = corner->layer >= 0; /* the pixel shows one layer and nothing else */
            for (int b = 0; b < oversample; b++)
                for (int a = 0; a < oversample; a++)
                    whole &= corner[b * w + a].layer == corner->layer;
            float share = weight;
            if (whole) share = 1.f / ((oversample * oversample + 1) / 2);
            for (int b = 0; b < oversample; b++)
                for (int a = 0; a < oversample; a++) {
                    const Fragment *f = corner + b * w + a;
                    /* within a layer every other sample, as on a chessboard, is enough */
                    if (f->layer < 0 || (whole && (a + b) % 2)) continue;
                    float c[3];
                    shade(layers + f->layer, f, eye, light, sun, map, side, textures, texture_count,
                          c);
                    for (int k = 0; k < 3; k++) o[k] += share * fminf(c[k], 4);
                    o[3] += share;
                }
            const Fragment *f = fragment + centre;
            label[i] = f->layer < 0 ? 0 : layers[f->layer].label[f->triangle];
            person[i] = label[i] ? layers[f->layer].person : 0;
            shadow[i] = 1;
            if (side > 1 && o[3] < 1 && light->shadow > 0) {
                float d[3] = {(x + .5f) * oversample - view->centre_x,
                              view->centre_y - (y + .5f) * oversample, view->focal};
                float ray[3], p[3];
                for (int k = 0; k < 3; k++)
                    ray[k] = view->rotation[k] * d[0] + view->rotation[3 + k] * d[1] +
                             view->rotation[6 + k] * d[2];
                if (ray[1] > -1e-3f * view->focal) continue;
                float t = -eye[1] / ray[1];
                if (t < 0) continue;
                for (int k = 0; k < 3; k++) p[k] = eye[k] + t * ray[k];
                shadow[i] = 1 - .75f * light->shadow * occlusion(sun, map, side, p, 2, 1.5f, .2f);
            }
        }
    free(screen);
    free(map);
    free(depth);
    free(fragment);
    return 0;
}
