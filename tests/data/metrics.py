"""Writes metrics.safetensors: sets, pairs of images and what compares them, computed apart from the C code.

    python3 metrics.py metrics.safetensors        (needs NumPy, SciPy and scikit-image)

Expected values are F64: Fréchet distance by SciPy's matrix square root, kernel distance, precision, recall, density and
coverage from full matrices, sliced Wasserstein distance over 200000 directions of NumPy's, Inception score, PSNR and SSIM
by scikit-image (by explicit windows where an image is smaller than the usual one).
"""
import json, struct, sys
import numpy as np, scipy.linalg
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

rng = np.random.default_rng(20)
out = {}


def keep(name, value, dtype):
    out[name] = np.ascontiguousarray(value, dtype)
    return out[name].astype("f8")


def kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def distances(x, y):
    return np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))


def score(p):
    return np.exp((p * np.log(p / p.mean(0))).sum(1).mean())


def ssim(x, y, rows, columns):
    """Mean over places and channels with a window of rows x columns."""
    g = lambda n: np.exp(-((np.arange(n) - n // 2) ** 2) / (2 * 1.5 ** 2))
    w = np.outer(g(rows), g(columns))[:, :, None]
    w /= w.sum()
    values = []
    for i in range(x.shape[0] - rows + 1):
        for j in range(x.shape[1] - columns + 1):
            p, q = x[i:i + rows, j:j + columns], y[i:i + rows, j:j + columns]
            mp, mq = (w * p).sum((0, 1)), (w * q).sum((0, 1))
            vp, vq = (w * (p - mp) ** 2).sum((0, 1)), (w * (q - mq) ** 2).sum((0, 1))
            c = (w * (p - mp) * (q - mq)).sum((0, 1))
            values.append((2 * mp * mq + 0.02 ** 2) * (2 * c + 0.06 ** 2)
                          / ((mp ** 2 + mq ** 2 + 0.02 ** 2) * (vp + vq + 0.06 ** 2)))
    return np.mean(values)


n, m, d = 320, 260, 12
a = keep("a", rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3, "f4")
b = keep("b", rng.standard_t(5, size=(m, d)) @ rng.normal(size=(d, d)) * 0.8 + 2.5, "f4")
ca, cb = np.cov(a.T), np.cov(b.T)
root = scipy.linalg.sqrtm(ca @ cb).real
keep("frechet", ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root), "f8")
s = a[:m]
off = lambda x: (kernel(x, x).sum() - np.trace(kernel(x, x))) / (m * (m - 1))
keep("kid", off(s) + off(b) - 2 * kernel(s, b).mean(), "f8")
for k in (2, 5):
    ra, rb, ab = np.sort(distances(a, a), 1)[:, k], np.sort(distances(b, b), 1)[:, k], distances(a, b)
    inside = ab <= ra[:, None]
    keep(f"prdc_{k}", [inside.any(0).mean(), (ab <= rb).any(1).mean(), inside.sum(0).mean() / k, inside.any(1).mean()], "f8")
squares = []
for _ in range(20):
    u = rng.normal(size=(10000, d))
    u /= np.linalg.norm(u, axis=1)[:, None]
    squares.append(((np.sort(s @ u.T, 0) - np.sort(b @ u.T, 0)) ** 2).mean())
keep("sliced", np.mean(squares) ** 0.5, "f8")
logits = keep("logits", rng.normal(size=(233, 7)) * 3, "f4")
p = np.exp(logits)
p /= p.sum(1)[:, None]
keep("probabilities", p, "f4")
parts = [score(p[i * 233 // 10:(i + 1) * 233 // 10]) for i in range(10)]
keep("score", [np.mean(parts), np.std(parts), score(p)], "f8")
for h, w, c in ((20, 16, 3), (11, 11, 1), (8, 13, 2), (4, 1, 1)):
    x = keep(f"x_{h}", np.tanh(rng.normal(size=(h, w, c))), "f4")
    y = keep(f"y_{h}", 0.8 * x + 0.15 * rng.normal(size=x.shape), "f4")
    if min(h, w) >= 11:
        similarity = structural_similarity(x, y, channel_axis=2, gaussian_weights=True, sigma=1.5,
                                           use_sample_covariance=False, data_range=2)
    else:
        odd = lambda side: min(11, side - (side + 1) % 2)
        similarity = ssim(x, y, odd(h), odd(w))
    keep(f"pair_{h}", [peak_signal_noise_ratio(x, y, data_range=2), similarity], "f8")

header, at = {}, 0
for name, value in out.items():
    header[name] = {"dtype": {"f4": "F32", "f8": "F64"}[value.dtype.str[1:]], "shape": list(value.shape),
                    "data_offsets": [at, at + value.nbytes]}
    at += value.nbytes
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + b"".join(v.tobytes() for v in out.values()))
