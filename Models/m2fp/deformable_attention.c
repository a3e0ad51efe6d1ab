// Multi-scale deformable attention and its gradient, for training on a CPU.
//
// deformable_attention.py has the definition and the shapes; arrays here are contiguous.

#include <math.h>
#include <stdint.h>

enum { MOST_SAMPLES = 64 };  // levels * points

typedef struct {
    int64_t batch, count, heads, width, levels, points;
    int64_t references;  // images with reference points of their own: 1 or batch
    const int64_t *shapes;
    const float *value, *reference_points, *offsets, *logits;
} Input;

// The four neighbours of a sampling location: where their values start, and their shares.
// A neighbour outside the level has no value: -1.
typedef struct {
    int64_t start[4];
    float x, y;  // from the upper left neighbour, in [0, 1)
} Corners;

static Corners locate(const Input *in, int64_t image, int64_t head, int64_t first, int64_t height,
                      int64_t width, float x, float y) {
    const float left = floorf(x), top = floorf(y);
    Corners corners = {{-1, -1, -1, -1}, x - left, y - top};
    for (int corner = 0; corner < 4; corner++) {
        const float column = left + (corner & 1), row = top + (corner >> 1);
        if (column >= 0 && column < width && row >= 0 && row < height) {
            const int64_t token = first + (int64_t)row * width + (int64_t)column;
            corners.start[corner] = ((image * in->count + token) * in->heads + head) * in->width;
        }
    }
    return corners;
}

static float share(const Corners *corners, int corner) {
    return (corner & 1 ? corners->x : 1 - corners->x) * (corner >> 1 ? corners->y : 1 - corners->y);
}

// The corners and the attention weights of all samples of one query and head.
static void look(const Input *in, int64_t image, int64_t query, int64_t head, Corners *corners,
                 float *weights) {
    const int64_t samples = in->levels * in->points;
    const int64_t place = (image * in->count + query) * in->heads + head;
    const float *logits = in->logits + place * samples;
    const float *offsets = in->offsets + place * samples * 2;
    const float *reference =
        in->reference_points + ((in->references > 1 ? image : 0) * in->count + query) * 2;
    float highest = logits[0], sum = 0;
    for (int64_t i = 1; i < samples; i++) highest = fmaxf(highest, logits[i]);
    for (int64_t i = 0; i < samples; i++) sum += weights[i] = expf(logits[i] - highest);
    for (int64_t i = 0; i < samples; i++) weights[i] /= sum;
    for (int64_t level = 0, first = 0, i = 0; level < in->levels; level++) {
        const int64_t height = in->shapes[2 * level], width = in->shapes[2 * level + 1];
        for (int64_t point = 0; point < in->points; point++, i++)
            corners[i] = locate(in, image, head, first, height, width,
                                reference[0] * width + offsets[2 * i] - 0.5f,
                                reference[1] * height + offsets[2 * i + 1] - 0.5f);
        first += height * width;
    }
}

void forward(const Input *in, float *result) {
    const int64_t samples = in->levels * in->points;
    Corners corners[MOST_SAMPLES];
    float weights[MOST_SAMPLES];
    for (int64_t image = 0; image < in->batch; image++)
        for (int64_t query = 0; query < in->count; query++)
            for (int64_t head = 0; head < in->heads; head++, result += in->width) {
                look(in, image, query, head, corners, weights);
                for (int64_t d = 0; d < in->width; d++) result[d] = 0;
                for (int64_t i = 0; i < samples; i++)
                    for (int corner = 0; corner < 4; corner++) {
                        if (corners[i].start[corner] < 0) continue;
                        const float *value = in->value + corners[i].start[corner];
                        const float factor = weights[i] * share(&corners[i], corner);
                        for (int64_t d = 0; d < in->width; d++) result[d] += factor * value[d];
                    }
            }
}

// Gradients of a loss whose gradient by the result is `slope`; `to_value` starts as zeros.
void backward(const Input *in, const float *slope, float *to_value, float *to_offsets,
              float *to_logits) {
    const int64_t samples = in->levels * in->points;
    Corners corners[MOST_SAMPLES];
    float weights[MOST_SAMPLES], to_weights[MOST_SAMPLES];
    for (int64_t image = 0; image < in->batch; image++)
        for (int64_t query = 0; query < in->count; query++)
            for (int64_t head = 0; head < in->heads;
                 head++, slope += in->width, to_offsets += 2 * samples, to_logits += samples) {
                look(in, image, query, head, corners, weights);
                float mean = 0;
                for (int64_t i = 0; i < samples; i++) {
                    float product[4] = {0, 0, 0, 0};
                    to_weights[i] = 0;
                    for (int corner = 0; corner < 4; corner++) {
                        if (corners[i].start[corner] < 0) continue;
                        const float *value = in->value + corners[i].start[corner];
                        float *target = to_value + corners[i].start[corner];
                        const float part = share(&corners[i], corner), factor = weights[i] * part;
                        float sum = 0;
                        for (int64_t d = 0; d < in->width; d++) {
                            sum += slope[d] * value[d];
                            target[d] += factor * slope[d];
                        }
                        product[corner] = sum;
                        to_weights[i] += part * sum;
                    }
                    const float x = corners[i].x, y = corners[i].y;
                    to_offsets[2 * i] = weights[i] * ((1 - y) * (product[1] - product[0]) +
                                                      y * (product[3] - product[2]));
                    to_offsets[2 * i + 1] = weights[i] * ((1 - x) * (product[2] - product[0]) +
                                                          x * (product[3] - product[1]));
                    mean += weights[i] * to_weights[i];
                }
                for (int64_t i = 0; i < samples; i++)
                    to_logits[i] = weights[i] * (to_weights[i] - mean);
            }
}
