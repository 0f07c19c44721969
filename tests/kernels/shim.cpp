// Runs kernels/map_texture.cu on the host: every thread of every block, one after another, blocks in a scrambled order.
// Threads never wait for each other in these kernels, so running them in sequence loses nothing but the speed.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#define __global__
#define __device__ static inline

struct Dim { unsigned x = 1, y = 1, z = 1; };
static Dim blockIdx, threadIdx, blockDim, gridDim;

using std::fabs; using std::floor; using std::ceil; using std::fmin; using std::fmax; using std::rint; using std::frexp;

static inline long long __double_as_longlong(double v) { long long b; std::memcpy(&b, &v, 8); return b; }
static inline double __longlong_as_double(long long b) { double v; std::memcpy(&v, &b, 8); return v; }
template <class T> static T atomicMax(T* at, T v) { T old = *at; *at = std::max(old, v); return old; }
template <class T> static T atomicMin(T* at, T v) { T old = *at; *at = std::min(old, v); return old; }

#include "map_texture.cu"

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A>*>(args[I])...);
}

template <class... A>
static void grid(void (*kernel)(A...), unsigned blocks, unsigned threads, void** args, unsigned seed) {
    std::vector<unsigned> order(blocks), lane(threads);
    std::iota(order.begin(), order.end(), 0u);
    std::iota(lane.begin(), lane.end(), 0u);
    std::mt19937 random(seed);
    std::shuffle(order.begin(), order.end(), random);
    std::shuffle(lane.begin(), lane.end(), random);
    blockDim.x = threads;
    gridDim.x = blocks;
    for (unsigned block : order)
        for (unsigned thread : lane) {
            blockIdx.x = block;
            threadIdx.x = thread;
            call(kernel, args, std::index_sequence_for<A...>{});
        }
}

extern "C" int launch(const char* name, unsigned blocks, unsigned threads, void** args, unsigned seed) {
    std::string wanted(name);
    if (wanted == "flat_draw") grid(flat_draw, blocks, threads, args, seed);
    else if (wanted == "flat_paint") grid(flat_paint, blocks, threads, args, seed);
    else if (wanted == "map_draw") grid(map_draw, blocks, threads, args, seed);
    else if (wanted == "map_write") grid(map_write, blocks, threads, args, seed);
    else if (wanted == "compose") grid(compose, blocks, threads, args, seed);
    else if (wanted == "crop_tensor") grid(crop_tensor, blocks, threads, args, seed);
    else return 1;
    return 0;
}
