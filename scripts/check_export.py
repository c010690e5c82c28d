#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs what `scanmill export` writes elsewhere and compares with the engine's own outputs: each network
of train/models, narrow, with drawn weights and running statistics (make_checkpoint): the ONNX file in
onnxruntime (and through onnx's checker), the safetensors file in the PyTorch definitions of
golden_models.py and, where MONAI has the same network, in MONAI's own class.

needs: numpy, torch, safetensors, onnx, onnxruntime; monai for its part
usage: scripts/check_export.py [--bin build/release/bin]"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from safetensors import safe_open

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import golden_models as gm  # noqa: E402

BOUND = 2e-5  # of the largest |value| of the reference
# model, norm, activation, softmax, input channels, outputs, D, H, W, width
CASES = [
    ("unet3d", "auto", "auto", 0, 4, 3, 8, 16, 16, 0.125),
    ("unet3d", "instance", "leaky_relu", 1, 2, 4, 8, 16, 24, 0.125),
    ("resunet3d", "auto", "auto", 0, 4, 3, 8, 16, 16, 0.125),
    ("resunet3d", "depth", "auto", 0, 4, 3, 8, 16, 16, 0.125),
    ("vnet", "auto", "auto", 0, 4, 3, 16, 32, 16, 0.125),
    ("vnet", "depth", "prelu", 0, 4, 3, 16, 16, 16, 0.125),
    ("vnet_paper", "auto", "auto", 1, 1, 2, 16, 16, 16, 0.25),
    ("unet2d", "auto", "auto", 1, 2, 4, 1, 32, 48, 0.125),
    ("unet2d", "batch", "prelu", 1, 2, 4, 1, 32, 32, 0.125),
    ("nnunet3d", "auto", "auto", 1, 2, 3, 8, 32, 32, 0.125),
    ("nnunet3d", "auto", "auto", 0, 1, 3, 1, 64, 64, 0.125),
    ("nnunet3d", "batch", "auto", 1, 2, 3, 16, 16, 32, 0.125),
    ("basic_unet3d", "auto", "auto", 1, 4, 4, 16, 32, 64, 0.25),
]
OWN_NORM = {"unet3d": None, "resunet3d": "batch", "vnet": "batch", "vnet_paper": None, "unet2d": None,
            "nnunet3d": "instance", "basic_unet3d": "instance"}
CLASSES = {"unet3d": gm.UNet3D, "resunet3d": gm.ResUNet3D, "vnet": gm.VNet, "vnet_paper": gm.VNetPaper,
           "unet2d": gm.UNet2D, "nnunet3d": gm.NnUNet3D, "basic_unet3d": gm.BasicUNet3D}


class Loaded:
    """A safetensors file by our own names, 5-D again."""

    def __init__(self, path):
        with safe_open(path, framework="pt") as f:
            self.meta = f.metadata()
            self.theirs = {k: f.get_tensor(k) for k in f.keys()}
        self.names = json.loads(self.meta["own_names"])
        flat = self.meta["dimensions"] == "2"
        self.own = {}
        for own, name in self.names.items():
            t = self.theirs[name]
            self.own[own] = t.unsqueeze(2) if flat and t.dim() == 4 else t


def inference(cls, weights, act):
    """The definition with weights of the file, running statistics, and the activation asked for."""

    class Net(cls):
        layer = ""

        def parameter(self, name, shape):
            p = weights.own[name]
            assert tuple(p.shape) == tuple(shape), (name, p.shape, shape)
            self.used.add(name)
            return p

        def conv(self, x, name, *args, **kw):
            self.layer = name
            return super().conv(x, name, *args, **kw)

        def norm(self, x, name):
            self.layer = name
            if self.kind in (None, "instance"):
                return super().norm(x, name)
            self.used |= {name + ".running_mean", name + ".running_var"}
            axis = 2 if self.kind == "depth" else 1
            y = F.batch_norm(x.transpose(1, axis), weights.own[name + ".running_mean"],
                             weights.own[name + ".running_var"], weights.own[name + ".weight"],
                             weights.own[name + ".bias"], False, 0.0, 1e-3)
            self.used |= {name + ".weight", name + ".bias"}
            return y.transpose(1, axis)

        def activation(self, x, own):
            if act == "auto":
                return own(x)
            if act == "leaky_relu":
                return F.leaky_relu(x, 0.01)
            if act == "prelu":
                stage, leaf = self.layer.rsplit(".", 1)
                name = f"{stage}.act{leaf[-1]}.weight"
                self.used.add(name)
                return F.prelu(x, weights.own[name])
            return F.relu(x)

        def relu(self, x):
            return self.activation(x, F.relu)

        def leaky(self, x):
            return self.activation(x, lambda v: F.leaky_relu(v, 0.01))

    return Net


def worst(got, want):
    return float(np.abs(got - want).max() / np.abs(want).max())


def in_torch(case, w, x):
    model, norm, act, softmax, _, outputs = case[:6]
    if OWN_NORM[model] is None and norm != "auto":
        return None, None  # the definition has no norm
    kind = OWN_NORM[model] if norm == "auto" else norm
    # The 2-D form of nnunet3d has flat kernels, which the definition's rule does not know.
    net = inference(CLASSES[model], w, act)(outputs, case[9], kind)
    net.used = set()
    if model == "nnunet3d" and case[6] == 1:
        levels = net.levels
        net.levels = lambda size: ([(1, 3, 3)] * len(levels(size)[0]), levels(size)[1])
    with torch.no_grad():
        z = net(torch.from_numpy(x))[0]
        p = torch.softmax(z, 1) if softmax else torch.sigmoid(z)
    left = set(w.own) - net.used
    assert not left, f"not used: {sorted(left)[:5]}"
    return p.numpy(), z.numpy()


def in_monai(case, w, x):
    """MONAI's class with the file's names; None where it has no such network."""
    try:
        from monai.networks.nets import DynUNet
    except ImportError:
        return None
    model, norm = case[0], case[1]
    if model != "nnunet3d" or norm != "auto":
        return None
    flat = w.meta["dimensions"] == "2"
    dims = 2 if flat else 3
    size = case[7:9] if flat else case[6:9]
    probe = gm.NnUNet3D(1, 1, None)
    kernels, strides = probe.levels(case[6:9])
    cut = 1 if flat else 0
    kernels = [k[cut:] for k in kernels]
    strides = [s[cut:] for s in strides]
    width = [max(1, int(c * case[9] + 0.5)) for c in (32, 64, 128, 256, 320, 320)][: len(kernels)]
    heads = sum("deep_supervision_heads" in k and k.endswith("weight") for k in w.theirs)
    net = DynUNet(dims, case[4], case[5], kernels, strides, strides[1:], filters=width, trans_bias=True,
                  norm_name=("INSTANCE", {"affine": True}), deep_supervision=heads > 0,
                  deep_supr_num=max(heads, 1))
    # MONAI registers the same layers once more below skip_layers; its convolutions before a norm have
    # no bias, which the norm takes away.
    missing, extra = net.load_state_dict(w.theirs, strict=False)
    wrong = [k for k in missing if not k.startswith("skip_layers")]
    more = [k for k in extra if not k.endswith("conv.bias")]
    assert not wrong and not more, (wrong[:4], more[:4])
    net.eval()
    with torch.no_grad():
        y = x[:, :, 0] if flat else x
        z = net(torch.from_numpy(y)).numpy()
    assert z.shape[2:] == tuple(size)
    return z[:, :, None] if flat else z


def session(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]), model


def in_onnx(run, x, flat):
    p, z = run.run(["probabilities", "logits"], {"image": x[:, :, 0] if flat else x})
    return (p[:, :, None], z[:, :, None]) if flat else (p, z)


def check(case, bin_dir):
    with tempfile.TemporaryDirectory() as d:
        subprocess.run([f"{bin_dir}/make_checkpoint", *map(str, case), d], check=True)
        subprocess.run([f"{bin_dir}/scanmill-export", "--checkpoint", f"{d}/best.hdf5", "--out", d,
                        "--log", "warning"], check=True)
        shape = (1, case[4]) + tuple(case[6:9])
        x = np.fromfile(f"{d}/x.f32", np.float32).reshape(shape)
        want = np.fromfile(f"{d}/p.f32", np.float32).reshape((1, case[5]) + shape[2:])
        w = Loaded(f"{d}/best.safetensors")
        run, model = session(f"{d}/best.onnx")
        flat = w.meta["dimensions"] == "2"
        p, z = in_onnx(run, x, flat)
        two = in_onnx(run, np.concatenate([x, x[:, :, :, ::-1]]), flat)[0]
        assert np.allclose(two[:1], p, atol=1e-5), "two samples at once give others"
        tp, tz = in_torch(case, w, x)
        mz = in_monai(case, w, x)
        ops = len(model.graph.node)
        pairs = [(p, want), (tp, want), (z, tz), (mz, tz)]
        return [None if a is None or b is None else worst(a, b) for a, b in pairs] + [ops]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--bin", default="build/release/bin")
    args = ap.parse_args()
    torch.set_num_threads(1)
    bad = 0
    print(f"{'network':14}{'norm':10}{'act':12}{'onnx':>10}{'torch':>10}{'logits':>10}{'monai':>10}  nodes")
    for case in CASES:
        got = check(case, args.bin)
        bad += any(v is not None and not v <= BOUND for v in got[:4])
        text = "".join(f"{'-' if v is None else format(v, '.1e'):>10}" for v in got[:4])
        print(f"{case[0]:14}{case[1]:10}{case[2]:12}{text}  {got[4]}")
    print(f"largest difference over largest value; allowed {BOUND}; {bad} beyond it")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
