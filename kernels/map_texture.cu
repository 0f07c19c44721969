// Sparse texture mapping on CUDA: the same operations as kernels/reference.py. Compiled with -fmad=false, because a
// fused multiply-add rounds differently from the published order of operations.
//
// Z-buffer without races: a first pass keeps the largest depth per pixel by atomicMax on order-preserving bits, a second
// the smallest triangle index among those that reach it by atomicMin. Neither result depends on the order of blocks.
// One block draws one triangle, its threads stride over the bounding box; no shared memory, no barrier.

typedef unsigned long long u64;
typedef long long i64;

#define SUBPIXEL 4096
#define GUARD_PX 131072.0
#define FAR_DEPTH (-999999.0)
#define NOBODY 0x7fffffff

// bits whose unsigned order is the order of the doubles; adding 0.0 makes -0.0 and 0.0 one depth
__device__ u64 ordered(double z) {
    u64 bits = (u64)__double_as_longlong(z + 0.0);
    return (bits >> 63) ? ~bits : bits | 0x8000000000000000ull;
}

__device__ double depth_of(u64 key) {
    u64 bits = (key >> 63) ? key & 0x7fffffffffffffffull : ~key;
    return __longlong_as_double((i64)bits);
}

__device__ bool finite3(const double* p) {
    return fabs(p[0]) < INFINITY && fabs(p[1]) < INFINITY && fabs(p[2]) < INFINITY;
}

// ---- flat: the published algorithm ----------------------------------------------------------------------------------

__device__ bool flat_box(const double* p1, const double* p2, const double* p3, int height, int width, int* box) {
    if (!finite3(p1) || !finite3(p2) || !finite3(p3)) return false;
    double left = fmax(ceil(fmin(p1[0], fmin(p2[0], p3[0]))), 0.0);
    double right = fmin(floor(fmax(p1[0], fmax(p2[0], p3[0]))), width - 1.0);
    double top = fmax(ceil(fmin(p1[1], fmin(p2[1], p3[1]))), 0.0);
    double bottom = fmin(floor(fmax(p1[1], fmax(p2[1], p3[1]))), height - 1.0);
    if (!(left <= right && top <= bottom)) return false;
    box[0] = (int)left; box[1] = (int)top; box[2] = (int)right; box[3] = (int)bottom;
    return true;
}

__device__ bool flat_inside(const double* p1, const double* p2, const double* p3, int x, int y) {
    double ax = p3[0] - p1[0], ay = p3[1] - p1[1], bx = p2[0] - p1[0], by = p2[1] - p1[1];
    double px = x - p1[0], py = y - p1[1];
    double aa = ax * ax + ay * ay, ab = ax * bx + ay * by, bb = bx * bx + by * by;
    double ap = ax * px + ay * py, bp = bx * px + by * py;
    double area = aa * bb - ab * ab;
    double inverse = area == 0.0 ? 0.0 : 1.0 / area;
    double u = (bb * ap - ab * bp) * inverse, v = (aa * bp - ab * ap) * inverse;
    return u >= 0.0 && v >= 0.0 && u + v < 1.0;
}

// pass 0 keeps the nearest depth, pass 1 the earliest triangle at that depth
extern "C" __global__ void flat_draw(const double* vertices, const int* triangles, int count, int height, int width,
                                     int pass, u64* depth, int* triangle) {
    int t = blockIdx.x;
    if (t >= count) return;
    const double* p1 = vertices + 3 * (i64)triangles[3 * t];
    const double* p2 = vertices + 3 * (i64)triangles[3 * t + 1];
    const double* p3 = vertices + 3 * (i64)triangles[3 * t + 2];
    int box[4];
    if (!flat_box(p1, p2, p3, height, width, box)) return;
    double z = (p1[2] + p2[2] + p3[2]) / 3.0;
    if (!(z > FAR_DEPTH)) return;
    u64 key = ordered(z);
    int across = box[2] - box[0] + 1;
    i64 pixels = (i64)across * (box[3] - box[1] + 1);
    for (i64 k = threadIdx.x; k < pixels; k += blockDim.x) {
        int x = box[0] + (int)(k % across), y = box[1] + (int)(k / across);
        i64 at = (i64)y * width + x;
        if (pass == 0 ? key <= depth[at] : key != depth[at]) continue;
        if (!flat_inside(p1, p2, p3, x, y)) continue;
        if (pass == 0) atomicMax(depth + at, key);
        else atomicMin(triangle + at, t);
    }
}

extern "C" __global__ void flat_paint(const float* colours, const int* triangles, const int* triangle, int pixels,
                                      float* out) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= pixels) return;
    int t = triangle[at];
    for (int c = 0; c < 3; ++c) {
        float value = 0.0f;
        if (t != NOBODY) {
            const int* corner = triangles + 3 * (i64)t;
            value = (colours[3 * (i64)corner[0] + c] + colours[3 * (i64)corner[1] + c] +
                     colours[3 * (i64)corner[2] + c]) / 3.0f;
        }
        out[3 * (i64)at + c] = value;
    }
}

// ---- backward map: top-left rule on snapped vertices, affine interpolation ------------------------------------------

struct Snapped { i64 x[3], y[3]; int corner[3]; i64 area; };

__device__ bool snap_triangle(const float* vertices, const int* triangles, int t, int facing, Snapped* s) {
    for (int i = 0; i < 3; ++i) {
        int v = triangles[3 * (i64)t + i];
        double x = vertices[3 * (i64)v], y = vertices[3 * (i64)v + 1], z = vertices[3 * (i64)v + 2];
        if (!(fabs(x) <= GUARD_PX && fabs(y) <= GUARD_PX && fabs(z) < INFINITY)) return false;
        s->x[i] = (i64)floor(x * SUBPIXEL + 0.5);
        s->y[i] = (i64)floor(y * SUBPIXEL + 0.5);
        s->corner[i] = v;
    }
    i64 area = (s->x[1] - s->x[0]) * (s->y[2] - s->y[0]) - (s->y[1] - s->y[0]) * (s->x[2] - s->x[0]);
    if (area == 0 || (facing > 0 && area < 0) || (facing < 0 && area > 0)) return false;
    if (area < 0) {  // one winding for the edge functions
        i64 keep = s->x[1]; s->x[1] = s->x[2]; s->x[2] = keep;
        keep = s->y[1]; s->y[1] = s->y[2]; s->y[2] = keep;
        int corner = s->corner[1]; s->corner[1] = s->corner[2]; s->corner[2] = corner;
        area = -area;
    }
    s->area = area;
    return true;
}

__device__ bool weights_at(const Snapped* s, int column, int row, double* weight) {
    i64 x = (i64)column * SUBPIXEL, y = (i64)row * SUBPIXEL;
    for (int i = 0; i < 3; ++i) {
        int p = (i + 1) % 3, q = (i + 2) % 3;
        i64 dx = s->x[q] - s->x[p], dy = s->y[q] - s->y[p];
        i64 edge = dx * (y - s->y[p]) - dy * (x - s->x[p]);
        bool mine = dy < 0 || (dy == 0 && dx > 0);
        if (edge < 0 || (edge == 0 && !mine)) return false;
        weight[i] = (double)edge / (double)s->area;
    }
    return true;
}

__device__ double blend(const float* values, int stride, int at, const Snapped* s, const double* weight) {
    double sum = 0.0;
    for (int i = 0; i < 3; ++i) sum += weight[i] * (double)values[(i64)stride * s->corner[i] + at];
    return sum;
}

__device__ i64 floor_div(i64 a, i64 b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

extern "C" __global__ void map_draw(const float* vertices, const int* triangles, int count, int height, int width,
                                    int facing, int pass, u64* depth, int* triangle) {
    int t = blockIdx.x;
    Snapped s;
    if (t >= count || !snap_triangle(vertices, triangles, t, facing, &s)) return;
    i64 left = s.x[0], right = s.x[0], top = s.y[0], bottom = s.y[0];
    for (int i = 1; i < 3; ++i) {
        left = s.x[i] < left ? s.x[i] : left; right = s.x[i] > right ? s.x[i] : right;
        top = s.y[i] < top ? s.y[i] : top; bottom = s.y[i] > bottom ? s.y[i] : bottom;
    }
    left = -floor_div(-left, SUBPIXEL); right = floor_div(right, SUBPIXEL);
    top = -floor_div(-top, SUBPIXEL); bottom = floor_div(bottom, SUBPIXEL);
    left = left > 0 ? left : 0; top = top > 0 ? top : 0;
    right = right < width - 1 ? right : width - 1; bottom = bottom < height - 1 ? bottom : height - 1;
    if (left > right || top > bottom) return;
    i64 across = right - left + 1, pixels = across * (bottom - top + 1);
    for (i64 k = threadIdx.x; k < pixels; k += blockDim.x) {
        int x = (int)(left + k % across), y = (int)(top + k / across);
        double weight[3];
        if (!weights_at(&s, x, y, weight)) continue;
        u64 key = ordered(blend(vertices, 3, 2, &s, weight));
        i64 at = (i64)y * width + x;
        if (pass == 0) atomicMax(depth + at, key);
        else if (key == depth[at]) atomicMin(triangle + at, t);
    }
}

extern "C" __global__ void map_write(const float* vertices, const float* source_xy, const int* triangles, int height,
                                     int width, int facing, int* triangle, float* xy, float* depth) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= height * width) return;
    Snapped s;
    double weight[3];
    int t = triangle[at];
    if (t == NOBODY || !snap_triangle(vertices, triangles, t, facing, &s) ||
        !weights_at(&s, at % width, at / width, weight)) {
        triangle[at] = -1; depth[at] = -INFINITY;
        xy[2 * (i64)at] = 0.0f; xy[2 * (i64)at + 1] = 0.0f;
        return;
    }
    depth[at] = (float)blend(vertices, 3, 2, &s, weight);
    xy[2 * (i64)at] = (float)blend(source_xy, 2, 0, &s, weight);
    xy[2 * (i64)at + 1] = (float)blend(source_xy, 2, 1, &s, weight);
}

// ---- sampling -------------------------------------------------------------------------------------------------------

struct Taps { i64 a, b, c, d; float fx, fy; };

__device__ Taps taps_at(float u, float v, int height, int width) {
    u = u > 0.0f ? u : 0.0f; v = v > 0.0f ? v : 0.0f;  // a NaN becomes 0 and never an address
    u = u < (float)(width - 1) ? u : (float)(width - 1);
    v = v < (float)(height - 1) ? v : (float)(height - 1);
    int i = (int)u, j = (int)v;
    if (i > width - 2) i = width > 1 ? width - 2 : 0;
    if (j > height - 2) j = height > 1 ? height - 2 : 0;
    int right = i + 1 < width ? i + 1 : i, below = j + 1 < height ? j + 1 : j;
    Taps t = {(i64)j * width + i, (i64)j * width + right, (i64)below * width + i, (i64)below * width + right,
              u - (float)i, v - (float)j};
    return t;
}

__device__ float between(float a, float b, float c, float d, const Taps* t) {
    float upper = a * (1.0f - t->fx) + b * t->fx, lower = c * (1.0f - t->fx) + d * t->fx;
    return upper * (1.0f - t->fy) + lower * t->fy;
}

extern "C" __global__ void compose(const float* person, int person_height, int person_width, const unsigned char* plate,
                                   const float* xy, const int* triangle, int pixels, unsigned char* out) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= pixels) return;
    bool covered = triangle[at] >= 0;
    Taps t = taps_at(xy[2 * (i64)at], xy[2 * (i64)at + 1], person_height, person_width);
    float rgba[4];
    for (int c = 0; c < 4; ++c)
        rgba[c] = between(person[4 * t.a + c], person[4 * t.b + c], person[4 * t.c + c], person[4 * t.d + c], &t);
    for (int c = 0; c < 3; ++c) {
        unsigned char under = plate[3 * (i64)at + c];
        float value = rgba[c] + (1.0f - rgba[3]) * (float)under;
        value = value > 0.0f ? value : 0.0f;
        value = value < 255.0f ? value : 255.0f;
        out[3 * (i64)at + c] = covered ? (unsigned char)(value + 0.5f) : under;
    }
}

// IEEE binary16 bits of a float, rounded to nearest even, without cuda_fp16.h, which NVRTC may not find
__device__ unsigned short half_bits(float value) {
    double size = fabs((double)value);
    unsigned sign = value < 0.0f ? 0x8000u : 0u;
    if (!(size < 65520.0)) return (unsigned short)(sign | (size >= 65520.0 ? 0x7c00u : 0x7e00u));
    if (size < 6.103515625e-05) return (unsigned short)(sign | (unsigned)rint(size * 16777216.0));
    int exponent;
    double mantissa = frexp(size, &exponent);
    unsigned steps = (unsigned)rint((2.0 * mantissa - 1.0) * 1024.0);
    return (unsigned short)(sign | (((unsigned)(exponent + 14) << 10) + steps));
}

// kind: 0 float32, 1 float16 bits, 2 uint8
extern "C" __global__ void crop_tensor(const unsigned char* image, int image_height, int image_width, int channels,
                                       const double* affine, float scale, float offset, int kind, int height, int width,
                                       void* out) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= height * width) return;
    int x = at % width, y = at / width;
    float u = (float)(affine[0] * x + affine[1] * y + affine[2]), v = (float)(affine[3] * x + affine[4] * y + affine[5]);
    Taps t = taps_at(u, v, image_height, image_width);
    for (int c = 0; c < channels; ++c) {
        float value = between(image[channels * t.a + c], image[channels * t.b + c], image[channels * t.c + c],
                              image[channels * t.d + c], &t) * scale + offset;
        i64 to = (i64)c * height * width + at;
        if (kind == 0) ((float*)out)[to] = value;
        else if (kind == 1) ((unsigned short*)out)[to] = half_bits(value);
        else ((unsigned char*)out)[to] = (unsigned char)(fminf(fmaxf(value, 0.0f), 255.0f) + 0.5f);
    }
}
