"""The network of ayf bench in plain PyTorch: an EDM2 "config G" U-Net (arXiv 2312.02696) with EDM2's parameter
names, so that the tensors of a model file load into it. Images are NCHW."""
import math
import torch
import torch.nn.functional as F


def normalize(w, dims):
    """Unit root mean square over `dims`."""
    norm = torch.linalg.vector_norm(w, dim=dims, keepdim=True)
    return w / (1e-4 + norm * math.sqrt(norm.numel() / w.numel()))


def mp_silu(x):
    return F.silu(x) / 0.596


def mp_sum(a, b, t):
    return ((1 - t) * a + t * b) / math.hypot(1 - t, t)


def mp_cat(a, b, t):
    na, nb = a.shape[1], b.shape[1]
    c = math.sqrt((na + nb) / ((1 - t) ** 2 + t ** 2))
    return torch.cat([a * (c / math.sqrt(na) * (1 - t)), b * (c / math.sqrt(nb) * t)], dim=1)


class Fourier(torch.nn.Module):
    def __init__(self, n):
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(n))
        self.register_buffer("phases", 2 * math.pi * torch.rand(n))

    def forward(self, x):
        return (x.float()[:, None] * self.freqs + self.phases).cos() * math.sqrt(2)


class Layer(torch.nn.Module):
    """Linear (kernel 0) or convolution without bias, weights normalised on the fly."""

    def __init__(self, n_in, n_out, kernel=0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(n_out, n_in, *[kernel] * (2 if kernel else 0)))

    def forward(self, x, gain=1):
        w = self.weight
        w = (normalize(w.float(), list(range(1, w.ndim))) * (gain / math.sqrt(w[0].numel()))).to(x.dtype)
        return x @ w.t() if w.ndim == 2 else F.conv2d(x, w, padding=w.shape[-1] // 2)


class Block(torch.nn.Module):
    def __init__(self, n_in, n_out, n_emb, down=False, up=False, decoder=False, attention=False, head=64, clip=256):
        super().__init__()
        self.down, self.up, self.decoder, self.clip = down, up, decoder, clip
        self.heads = n_out // head if attention else 0
        self.emb_gain = torch.nn.Parameter(torch.zeros([]))
        self.conv_res0 = Layer(n_out if not decoder else n_in, n_out, 3)
        self.emb_linear = Layer(n_emb, n_out)
        self.conv_res1 = Layer(n_out, n_out, 3)
        if n_in != n_out:
            self.conv_skip = Layer(n_in, n_out, 1)
        if attention:
            self.attn_qkv, self.attn_proj = Layer(n_out, 3 * n_out, 1), Layer(n_out, n_out, 1)

    def forward(self, x, emb):
        if self.down:
            x = F.avg_pool2d(x, 2)
        if self.up:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        skip = getattr(self, "conv_skip", None)
        if not self.decoder:
            if skip:
                x = skip(x)
            x = normalize(x, [1])
        y = self.conv_res0(mp_silu(x))
        y = mp_silu(y * (self.emb_linear(emb, self.emb_gain) + 1)[:, :, None, None].to(y.dtype))
        y = self.conv_res1(y)
        if self.decoder and skip:
            x = skip(x)
        x = mp_sum(x, y, 0.3)
        if self.heads:
            n, c, h, w = x.shape
            qkv = normalize(self.attn_qkv(x).reshape(n, self.heads, c // self.heads, 3, h * w), [2])
            q, k, v = qkv.unbind(3)
            weights = torch.softmax(torch.einsum("nhcq,nhck->nhqk", q, k / math.sqrt(q.shape[2])), dim=3)
            y = torch.einsum("nhqk,nhck->nhcq", weights, v).reshape(n, c, h, w)
            x = mp_sum(x, self.attn_proj(y), 0.3)
        return x if self.clip is None else x.clamp(-self.clip, self.clip)


class UNet(torch.nn.Module):
    """forward(x (N,C,R,R), c_noise (N)[, one-hot labels (N,K)]) -> (N,C,R,R). With gap=True also s (N): our student's
    embedding of t - s is added to that of t, which is what a flow map costs. With student=True it is our student itself,
    which takes s and guidance (N), too."""

    def __init__(self, img_resolution, img_channels, label_dim=0, model_channels=64, channel_mult=(1, 2, 2),
                 num_blocks=2, attn_resolutions=(16, 8), channels_per_head=64, clip_act=256, gap=False,
                 student=False):
        super().__init__()
        width = [model_channels * m for m in channel_mult]
        emb = max(width)
        self.label_dim = label_dim
        self.out_gain = torch.nn.Parameter(torch.zeros([]))
        self.emb_fourier, self.emb_noise = Fourier(model_channels), Layer(model_channels, emb)
        self.emb_label = Layer(label_dim, emb) if label_dim else None
        if gap or student:
            self.emb_gap_fourier, self.emb_gap = Fourier(model_channels), Layer(model_channels, emb)
        if student:
            self.emb_gap_gain, self.emb_guidance_gain = (torch.nn.Parameter(torch.zeros([])) for _ in range(2))
            self.emb_guidance_fourier, self.emb_guidance = Fourier(model_channels), Layer(model_channels, emb)
        self.gap, self.student = gap, student
        self.enc, self.dec = torch.nn.ModuleDict(), torch.nn.ModuleDict()
        options = dict(head=channels_per_head, clip=clip_act)
        c, skips = img_channels + 1, []
        for level, n in enumerate(width):
            r = img_resolution >> level
            if level == 0:
                self.enc[f"{r}x{r}_conv"] = Layer(c, n, 3)
                c = n
            else:
                self.enc[f"{r}x{r}_down"] = Block(c, c, emb, down=True, **options)
            skips.append(c)
            for i in range(num_blocks):
                self.enc[f"{r}x{r}_block{i}"] = Block(c, n, emb, attention=r in attn_resolutions, **options)
                c = n
                skips.append(c)
        for level, n in reversed(list(enumerate(width))):
            r = img_resolution >> level
            if level == len(width) - 1:
                self.dec[f"{r}x{r}_in0"] = Block(c, c, emb, decoder=True, attention=True, **options)
                self.dec[f"{r}x{r}_in1"] = Block(c, c, emb, decoder=True, **options)
            else:
                self.dec[f"{r}x{r}_up"] = Block(c, c, emb, up=True, decoder=True, **options)
            for i in range(num_blocks + 1):
                self.dec[f"{r}x{r}_block{i}"] = Block(c + skips.pop(), n, emb, decoder=True,
                                                      attention=r in attn_resolutions, **options)
                c = n
        self.out_conv = Layer(c, img_channels, 3)

    def forward(self, x, t, labels=None, s=None, guidance=None):
        emb = self.emb_noise(self.emb_fourier(t))
        if self.student:
            g1, g2 = self.emb_gap_gain, self.emb_guidance_gain
            emb = emb + g1 * self.emb_gap(self.emb_gap_fourier(t - s))
            emb = emb + g2 * self.emb_guidance(self.emb_guidance_fourier(guidance))
            emb = emb / torch.sqrt(1 + g1 ** 2 + g2 ** 2)
        elif self.gap:
            emb = mp_sum(emb, self.emb_gap(self.emb_gap_fourier(t - s)), 0.5)
        if self.emb_label is not None:
            emb = mp_sum(emb, self.emb_label(labels * math.sqrt(self.label_dim)), 0.5)
        emb = mp_silu(emb)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        skips = []
        for layer in self.enc.values():
            x = layer(x, emb) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for name, block in self.dec.items():
            if "block" in name:
                x = mp_cat(x, skips.pop(), 0.5)
            x = block(x, emb)
        return self.out_conv(x, self.out_gain)


def example(seed):
    """The network of ayf bench with random weights: 7.1 M parameters, 32x32x3."""
    torch.manual_seed(seed)
    net = UNet(img_resolution=32, img_channels=3, model_channels=64, channel_mult=(1, 2, 2), num_blocks=2,
               attn_resolutions=(16, 8), gap=True)
    for parameter in net.parameters():
        if parameter.ndim == 0:
            parameter.data.fill_(1)
    return net
