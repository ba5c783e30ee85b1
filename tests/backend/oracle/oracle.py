#!/usr/bin/env python3
"""The trainer's models again, in plain PyTorch: what tests/backend/oracle_test.cpp is measured against.

  oracle.py check FOLDER           every case folder below FOLDER holds config.json, input.safetensors (weights "w.*",
                                   batch "b.*") and output.safetensors (what C++ got: "loss", "g.*", "s.*" = weights
                                   after ten AdamW steps). Prints one JSON line per case: relative differences.
  oracle.py time FOLDER STEPS      prints the median milliseconds of a training step of the case in FOLDER.

Written from the formulas, without a line shared with the C++ side; nn.functional and torch.optim do the work.
"""

import json
import math
import pathlib
import struct
import sys
import time

import torch
import torch.nn.functional as F

TYPES = {"F32": torch.float32, "I64": torch.int64, "BOOL": torch.bool, "F64": torch.float64, "U8": torch.uint8}


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        raw = bytearray(data[8 + size + first:8 + size + last])
        kind = TYPES[entry["dtype"]]
        value = torch.frombuffer(raw, dtype=kind) if raw else torch.empty(0, dtype=kind)
        tensors[name] = value.reshape(entry["shape"]).clone()
    return tensors


class Model:
    def __init__(self, config, weights):
        self.c = config
        self.w = weights

    def linear(self, name, x):
        y = F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])
        if name + ".lora_a" in self.w:
            t = self.c["transfer"]
            y = y + (x @ self.w[name + ".lora_a"].T @ self.w[name + ".lora_b"].T) * (t["alpha"] / t["rank"])
        return y

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"])

    @staticmethod
    def attend(q, k, v, heads, valid):
        def split(x):
            return x.unflatten(-1, (heads, -1)).transpose(1, 2)
        mask = None if valid is None else valid[:, None, None, :]
        return F.scaled_dot_product_attention(split(q), split(k), split(v), attn_mask=mask).transpose(1, 2).flatten(2)

    def mlp(self, name, x):
        return self.linear(name + ".down", F.gelu(self.linear(name + ".up", x)))

    def stack(self, name, c, x, valid=None):
        for i in range(c["layers"]):
            b = f"{name}.blocks.{i}"
            q, k, v = self.linear(b + ".attn.qkv", self.norm(b + ".norm1", x)).chunk(3, -1)
            x = x + self.linear(b + ".attn.out", self.attend(q, k, v, c["heads"], valid))
            x = x + self.mlp(b + ".mlp", self.norm(b + ".norm2", x))
        return self.norm(name + ".norm", x)

    def text(self, tokens, valid):
        x = F.embedding(tokens, self.w["text.embedding"]) + self.w["text.position"]
        return self.stack("text", self.c["text"], x, valid), valid

    def patches(self, image):
        p = self.c["image"]["patch"]
        return F.unfold(image, p, stride=p).transpose(1, 2)  # values by channel, row, column, as ours

    def image(self, patches, holes=None):
        x = self.linear("image.patch", patches)
        if holes is not None:
            mask = torch.zeros(x.shape[:2], dtype=torch.bool)
            mask[torch.arange(len(mask))[:, None], holes] = True
            x = torch.where(mask[..., None], self.w["image.hole"], x)
        return self.stack("image", self.c["image"], x + self.w["image.position"]), None

    def audio(self, mel):
        a = self.c["audio"]
        size = (a["patch_mels"], a["patch_frames"])
        x = self.linear("audio.patch", F.unfold(mel[:, None], size, stride=size).transpose(1, 2))
        return self.stack("audio", a, x + self.w["audio.position"]), None

    @staticmethod
    def pooled(x, valid):
        if valid is None:
            return x.mean(1)
        return (x * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)

    def fuse(self, parts):
        """parts: {name: (tokens, valid)} in the order text, image, audio -> ({name: tokens}, pooled)"""
        c = self.c["fusion"]
        x = {m: self.linear(f"fusion.{m}.in", t) for m, (t, _) in parts.items()}
        valid = {m: v if v is not None else torch.ones(x[m].shape[:2], dtype=torch.bool)
                 for m, (_, v) in parts.items()}
        if c["kind"] == "concatenation":
            joint = torch.cat([x[m] + self.w[f"fusion.{m}.kind"] for m in x], 1)
            all_valid = torch.cat([valid[m] for m in x], 1)
            joint = self.stack("fusion", c, joint, all_valid)
            return dict(zip(x, joint.split([x[m].shape[1] for m in x], 1))), self.pooled(joint, all_valid)
        if c["kind"] == "gated":
            h = torch.cat([self.pooled(x[m], valid[m]) for m in x], 1)
            weighted = torch.sigmoid(self.linear("fusion.gate", h)) * h
            total = sum(weighted.chunk(len(x), 1))
            return ({m: self.norm(f"fusion.{m}.norm", x[m] + total[:, None]) for m in x},
                    self.norm("fusion.norm", total))
        for i in range(c["layers"]):
            after = {}
            for m in x:
                b = f"fusion.{m}.blocks.{i}"
                others = [o for o in x if o != m]
                context = self.norm(b + ".norm_context", torch.cat([x[o] for o in others], 1))
                k, v = self.linear(b + ".attn.kv", context).chunk(2, -1)
                q = self.linear(b + ".attn.q", self.norm(b + ".norm1", x[m]))
                seen = torch.cat([valid[o] for o in others], 1)
                y = x[m] + self.linear(b + ".attn.out", self.attend(q, k, v, c["heads"], seen))
                after[m] = y + self.mlp(b + ".mlp", self.norm(b + ".norm2", y))
            x = after
        x = {m: self.norm(f"fusion.{m}.norm", x[m]) for m in x}
        return x, sum(self.pooled(x[m], valid[m]) for m in x) / len(x)

    def loss(self, b):
        c, o = self.c, self.c["objectives"]
        patches = self.patches(b["image"]) if "image" in b else None
        clean = {}
        if "text" in c:
            clean["text"] = self.text(b["tokens"], b["text_valid"])
        if "image" in c:
            clean["image"] = self.image(patches)
        if "audio" in c:
            clean["audio"] = self.audio(b["audio"])
        if "head" in c:
            source = c["head"]["input"]
            features = self.fuse(clean)[1] if source == "fused" else self.pooled(*clean[source])
            return F.cross_entropy(self.linear("head", features), b["label"])
        fused = c["fusion"]["kind"] != "none"
        total = 0
        if o["contrastive"] > 0:
            e = {m: F.normalize(self.linear(f"contrast.{m}", self.pooled(*clean[m])), dim=-1) for m in clean}
            scale = self.w["contrast.scale"].clamp(max=4.6052).exp()
            anchor = next(iter(e))
            own = torch.arange(len(e[anchor]))
            for m in list(e)[1:]:
                s = scale * e[anchor] @ e[m].T
                total = total + o["contrastive"] * (F.cross_entropy(s, own) + F.cross_entropy(s.T, own)) / 2
        if o["masked_text"] > 0:
            holes = self.text(b["masked_tokens"], b["text_valid"])
            x = self.fuse({**clean, "text": holes})[0]["text"] if fused else holes[0]
            x = x[torch.arange(len(x))[:, None], b["text_positions"]]
            x = self.norm("mlm.norm", F.gelu(self.linear("mlm.dense", x)))
            logits = F.linear(x, self.w["text.embedding"], self.w["mlm.bias"])
            each = F.cross_entropy(logits.transpose(1, 2), b["text_targets"], reduction="none")
            total = total + o["masked_text"] * (each * b["text_weights"]).sum(1).mean()
        if o["masked_image"] > 0:
            holes = self.image(patches, b["image_positions"])
            x = self.fuse({**clean, "image": holes})[0]["image"] if fused else holes[0]
            rows = torch.arange(len(x))[:, None]
            guess = self.linear("mim.out", x[rows, b["image_positions"]])
            total = total + o["masked_image"] * F.mse_loss(guess, patches[rows, b["image_positions"]])
        return total


def load(folder):
    config = json.loads((folder / "config.json").read_text())
    given = read_safetensors(folder / "input.safetensors")
    weights = {n[2:]: t for n, t in given.items() if n.startswith("w.")}
    for name in config["trainable"]:
        weights[name].requires_grad_(True)
    return config, weights, {n[2:]: t for n, t in given.items() if n.startswith("b.")}


def optimizer(config, weights):
    o = config["optimizer"]
    groups = [{"params": [weights[n] for n in config["trainable"] if (n in config["decay"]) == decays],
               "weight_decay": o["weight_decay"] if decays else 0.0} for decays in (True, False)]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=o["lr"], betas=tuple(o["betas"]), eps=o["eps"])


def step(config, weights, batch, adam, index):
    o = config["optimizer"]
    adam.zero_grad(set_to_none=True)
    loss = Model(config["model"], weights).loss(batch)
    loss.backward()
    for name in config["trainable"]:  # a parameter that nothing used has a gradient of zero here as there
        if weights[name].grad is None:
            weights[name].grad = torch.zeros_like(weights[name])
    torch.nn.utils.clip_grad_norm_([weights[n] for n in config["trainable"]], o["clip"])
    warm, steps = o["warmup"], o["steps"]
    if index < warm:
        rate = o["lr"] * (index + 1) / warm
    else:
        t = (index - warm) / max(1, steps - warm)
        rate = o["lr"] * (o["min_lr_ratio"] + (1 - o["min_lr_ratio"]) * (1 + math.cos(math.pi * t)) / 2)
    for group in adam.param_groups:
        group["lr"] = rate
    adam.step()
    return loss


def difference(a, b):
    """|a - b| / |b| over the whole tensor; absolute where b is zero."""
    return ((a - b).norm() / b.norm().clamp_min(1e-12)).item() if b.norm() > 1e-9 else (a - b).norm().item()


def without_key_bias(name, tensor):
    """Softmax ignores what is added to all keys alike, so a key's bias has no gradient but rounding, which Adam blows
    up to whole steps of random sign: no two programs agree on it, and no output depends on it."""
    if name.endswith("attn.qkv.bias"):
        third = len(tensor) // 3
        return torch.cat([tensor[:third], tensor[2 * third:]])
    return tensor[len(tensor) // 2:] if name.endswith("attn.kv.bias") else tensor


def check(folder):
    config, weights, batch = load(folder)
    theirs = read_safetensors(folder / "output.safetensors")
    result = {"case": folder.name}
    loss = Model(config["model"], weights).loss(batch)
    loss.backward()
    result["loss"] = abs(loss.item() - theirs["loss"].item()) / abs(loss.item())
    worst = 0.0
    for name in config["trainable"]:
        grad = weights[name].grad
        ours = grad if grad is not None else torch.zeros_like(weights[name])
        worst = max(worst, difference(theirs["g." + name], ours))
    result["gradient"] = worst
    adam = optimizer(config, weights)
    for index in range(10):
        last = step(config, weights, batch, adam, index)
    result["last_loss"] = abs(last.item() - theirs["last_loss"].item()) / abs(last.item())
    result["steps"], result["worst"] = max(
        (difference(without_key_bias(n, theirs["s." + n]), without_key_bias(n, weights[n].detach())), n)
        for n in config["trainable"])
    result["moved"] = difference(theirs["s." + config["trainable"][0]], read_safetensors(
        folder / "input.safetensors")["w." + config["trainable"][0]])
    return result


def median_ms(folder, steps):
    config, weights, batch = load(folder)
    adam = optimizer(config, weights)
    times = []
    for index in range(steps + 3):
        begin = time.perf_counter()
        step(config, weights, batch, adam, index)
        times.append(time.perf_counter() - begin)
    return sorted(times[3:])[steps // 2] * 1e3


def main():
    torch.set_num_threads(1)
    if sys.argv[1] == "check":
        for folder in sorted(p for p in pathlib.Path(sys.argv[2]).iterdir() if p.is_dir()):
            print(json.dumps(check(folder)), flush=True)
    elif sys.argv[1] == "time":
        print(json.dumps({"median_ms": median_ms(pathlib.Path(sys.argv[2]), int(sys.argv[3]))}))


if __name__ == "__main__":
    main()
