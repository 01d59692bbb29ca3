/* make_seeds <folder>: small valid inputs to start from, in <folder>/<target>/. */
#include "../support/dataset_fixture.h"

static void put(const char *folder, const char *name, blob b) {
    char path[600];
    mkdir(in_folder(folder), 0777);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    put_file(path, b.bytes, b.size);
    free(b.bytes);
}

static blob with_first_byte(int byte, blob b) {
    blob r = {malloc(b.size + 1), b.size + 1};
    r.bytes[0] = (unsigned char)byte;
    memcpy(r.bytes + 1, b.bytes, b.size);
    free(b.bytes);
    return r;
}

static void pictures(void) {
    unsigned char *p = make_pixels(9, 7, 8);
    put("png_jpeg", "grey.png", make_png(9, 7, PNG_COLOR_TYPE_GRAY, 8, 0, 0, p));
    put("png_jpeg", "bits.png", make_png(9, 7, PNG_COLOR_TYPE_GRAY, 2, 1, 0, p));
    put("png_jpeg", "rgb.png", make_png(9, 7, PNG_COLOR_TYPE_RGB, 8, 1, 0, p));
    put("png_jpeg", "palette.png", make_png(9, 7, PNG_COLOR_TYPE_PALETTE, 4, 0, 0, p));
    put("png_jpeg", "key.png", make_png(9, 7, PNG_COLOR_TYPE_RGB, 8, 0, 1, p));
    put("png_jpeg", "deep.png", make_png(9, 7, PNG_COLOR_TYPE_RGBA, 16, 0, 0, p));
    put("png_jpeg", "grey.jpg", make_jpeg(9, 7, 1, 0, p));
    put("png_jpeg", "rgb.jpg", make_jpeg(9, 7, 3, 0, p));
    put("png_jpeg", "progressive.jpg", make_jpeg(9, 7, 3, 1, p));
    put("png_jpeg", "cmyk.jpg", make_jpeg(9, 7, 4, 0, p));
    free(p);
}

static void zips(void) {
    static const char json[] = "{\"labels\": [[\"a.png\", 1], [\"b/c.jpg\", 0]]}";
    unsigned char *p = make_pixels(4, 4, 3);
    blob a = make_png(4, 4, PNG_COLOR_TYPE_RGB, 8, 0, 0, p), b = make_jpeg(4, 4, 3, 0, p);
    mkdir(in_folder("zip"), 0777);
    for (int deflate = 0; deflate < 2; deflate++) {
        zip_entry entries[3] = {{"a.png", a.bytes, a.size, deflate},
                                {"b/c.jpg", b.bytes, b.size, deflate},
                                {"dataset.json", json, sizeof json - 1, deflate}};
        put_zip(deflate ? "zip/deflated.zip" : "zip/stored.zip", entries, 3);
    }
    free(a.bytes);
    free(b.bytes);
    free(p);
    mkdir(in_folder("labels"), 0777);
    put_text("labels/list.json", json);
    put_text("labels/object.json", "{\"labels\": {\"a\\\\b\": 3, \"c\": 0}}");
    put_text("labels/none.json", "{\"labels\": null}");
}

static void idx(void) {
    put("idx", "pictures", with_first_byte(0, make_idx(0x803, 2, 3, 3)));
    put("idx", "labels", with_first_byte(1, make_idx(0x801, 5, 0, 0)));
    blob b = make_idx(0x803, 2, 3, 3);
    gzFile zipped = gzopen(in_folder("idx/zipped"), "wb");
    gzwrite(zipped, b.bytes, (unsigned)b.size);
    gzclose(zipped);
    free(b.bytes);
    put("idx", "zipped", with_first_byte(2, get_file("idx/zipped")));
}

int main(int argc, char **argv) {
    if (argc != 2 || strlen(argv[1]) >= sizeof fixture_folder) {
        fprintf(stderr, "usage: make_seeds <folder>\n");
        return 2;
    }
    strcpy(fixture_folder, argv[1]);
    pictures();
    zips();
    idx();
    return 0;
}
