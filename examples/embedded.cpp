// The same as embedded.c in C++: a model in memory, eight images, their values in a file.
//
//     c++ embedded.cpp -o embedded $(pkg-config --cflags --libs ayf_sample)
//     ./embedded runs/student/model.safetensors images.f32
#include <ayf/context.h>
#include <ayf/model.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

static void check(ayf_context *ctx, ayf_status status) {
    if (status != AYF_OK) throw std::runtime_error(ayf_error(ctx));
}

static void draw(const std::string &bytes, const char *path) {
    const int count = 8;
    ayf_options options = {};
    options.threads = 1;
    std::unique_ptr<ayf_context, void (*)(ayf_context *)> ctx(ayf_open(&options), ayf_close);
    if (!ctx) throw std::bad_alloc();
    ayf_model *opened = nullptr;
    check(ctx.get(), ayf_model_open_memory(ctx.get(), bytes.data(), bytes.size(), &opened));
    std::unique_ptr<ayf_model, void (*)(ayf_model *)> model(opened, ayf_model_close);
    ayf_model_facts facts = ayf_model_describe(model.get());
    std::vector<float> images(std::size_t(count) * facts.height * facts.width * facts.channels);
    ayf_sample_options how = {};
    how.steps = 2;
    check(ctx.get(), ayf_model_sample(model.get(), &how, count, images.data(), nullptr));
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char *>(images.data()),
               std::streamsize(images.size() * sizeof images[0]));
}

int main(int argc, char **argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: %s MODEL IMAGES.f32\n", argv[0]), 2;
    try {
        std::ifstream file(argv[1], std::ios::binary);
        draw(std::string(std::istreambuf_iterator<char>(file), {}), argv[2]);
    } catch (const std::exception &e) {
        return std::fprintf(stderr, "%s\n", e.what()), 1;
    }
    return 0;
}
