#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the networks of golden_models.py with the libraries that the originals were written in: the BraTS
networks once more in Keras, and nnU-Net's own PlainConvUNet. Prints numbers of parameters at full width,
and the largest difference of outputs of narrow ones with equal weights.

needs: torch, keras 3 (runs on torch), dynamic_network_architectures
usage: scripts/compare_networks.py"""
import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from keras import layers as L

import golden_models as golden

keras.backend.set_image_data_format("channels_first")


class Keras:
    """axis: of BatchNormalization. Inputs are (C,H,W,D), as the originals' tiles."""

    def __init__(self, width, axis):
        self.factor, self.axis = width, axis

    def width(self, c):
        return max(1, int(np.floor(c * self.factor + 0.5)))

    def conv(self, x, name, c, k, stride=1, relu=False):
        layer = L.Conv2D if len(x.shape) == 4 else L.Conv3D
        return layer(self.width(c), k, strides=stride, padding="same", name=name,
                     activation="relu" if relu else None)(x)

    def conv_t(self, x, name, c):
        return L.Conv3DTranspose(self.width(c), 2, strides=2, padding="same", name=name)(x)

    def norm_relu(self, x, name):
        return L.ReLU()(L.BatchNormalization(axis=self.axis, name=name)(x))

    def pair(self, x, s, a, b):
        return self.conv(self.conv(x, s + "_conv1", a, 3, relu=True), s + "_conv2", b, 3, relu=True)

    def unet3d(self, i):
        a = self.pair(i, "enc0", 32, 64)
        b = self.pair(L.MaxPooling3D()(a), "enc1", 64, 128)
        c = self.pair(L.MaxPooling3D()(b), "enc2", 128, 256)
        x = self.pair(L.MaxPooling3D()(c), "bottom", 256, 512)
        for s, ch, n in ((c, 256, "dec2"), (b, 128, "dec1"), (a, 64, "dec0")):
            x = self.pair(L.Concatenate(axis=1)([s, L.UpSampling3D()(x)]), n, ch, ch)
        return L.Conv3D(3, 1, name="head")(x)

    def res_block(self, x, s, c, stride):
        y = self.conv(self.norm_relu(x, s + "_norm1"), s + "_conv1", c, 3, stride)
        y = self.conv(self.norm_relu(y, s + "_norm2"), s + "_conv2", c, 3)
        return L.Add()([y, self.conv(x, s + "_shortcut", c, 1, stride)])

    def resunet3d(self, i):
        y = self.norm_relu(self.conv(i, "stem_conv1", 64, 3), "stem_norm1")
        a = L.Add()([self.conv(y, "stem_conv2", 64, 3), self.conv(i, "stem_shortcut", 64, 1)])
        b = self.res_block(a, "enc1", 128, 2)
        c = self.res_block(b, "enc2", 256, 2)
        x = self.res_block(c, "bottom", 512, 2)
        for s, ch, n in ((c, 256, "dec2"), (b, 128, "dec1"), (a, 64, "dec0")):
            x = self.res_block(L.Concatenate(axis=1)([L.UpSampling3D()(x), s]), n, ch, 1)
        return L.Conv3D(3, 1, name="head")(x)

    def v_block(self, x, s, c):
        y = x
        for i in "12":
            y = self.norm_relu(self.conv(y, f"{s}_conv{i}", c, 5), f"{s}_norm{i}")
        return L.Add()([x, y])

    def vnet(self, i):
        skip = [self.conv(i, "stem", 16, 5)]
        for l, c, s in ((1, 32, "enc1"), (2, 64, "enc2"), (3, 128, "enc3"), (4, 256, "bottom")):
            skip.append(self.v_block(self.conv(skip[-1], f"down{l}", c, 2, 2), s, c))
        x = skip.pop()
        for l, c in ((3, 128), (2, 64), (1, 32)):
            x = L.Concatenate(axis=1)([self.conv_t(x, f"up{l}", c), skip.pop()])
            x = self.v_block(x, f"dec{l}", 2 * c)
        x = L.Concatenate(axis=1)([self.conv_t(x, "up0", 16), skip.pop()])
        return L.Conv3D(3, 1, name="head")(L.Add()([self.conv(x, "last", 32, 5), x]))

    def unet2d(self, i):
        skip, x = [], i
        for l, c in enumerate((32, 64, 128, 256)):
            skip.append(self.pair(x, f"enc{l}", c, c))
            x = L.MaxPooling2D()(skip[-1])
        x = self.pair(x, "bottom", 512, 512)
        for l, c in ((3, 256), (2, 128), (1, 64), (0, 32)):
            x = self.conv(L.UpSampling2D()(x), f"up{l}_conv1", c, 2, relu=True)
            x = self.pair(L.Concatenate(axis=1)([skip[l], x]), f"dec{l}", c, c)
        return L.Conv2D(4, 1, name="head")(x)


def model(name, shape, width, axis):
    i = keras.Input(shape)
    return keras.Model(i, getattr(Keras(width, axis), name)(i))


def randomise(net):
    for name, p in net.named.items():
        p.normal_(0, 1.2 / np.sqrt(p[0].numel()) if p.dim() > 1 else 0.2)
        if ".norm" in name and name.endswith("weight"):
            p.add_(1)


def copy_to_keras(net, m, flat):
    leaves = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}
    for layer in m.layers:
        for own, leaf in leaves.items():
            if getattr(layer, own, None) is None or not layer.weights:
                continue
            name = layer.name.replace("_conv", ".conv").replace("_norm", ".norm").replace("_shortcut", ".shortcut")
            a = net.named[f"{name}.{leaf}"].detach()
            if own == "kernel":  # (out, in, D, H, W) -> (H, W, D, in, out); transposed ones alike
                a = a[:, :, 0].permute(2, 3, 1, 0) if flat else a.permute(3, 4, 2, 1, 0)
            getattr(layer, own).assign(a.contiguous())


def against_keras(name, cls, kind, channels, outputs):
    flat, axis = name == "unet2d", -1 if kind == "depth" else 1
    full = model(name, (channels, 16, 16) if flat else (channels, 16, 16, 16), 1.0, axis)
    count = sum(int(np.prod(v.shape)) for v in full.trainable_weights)
    m = model(name, (channels, 16, 32) if flat else (channels, 16, 32, 16), 0.125, axis)
    net = cls(outputs, 0.125, kind)
    x = torch.randn((2, channels, 16, 32) if flat else (2, channels, 16, 32, 16))
    depth_first = x[:, :, None] if flat else x.permute(0, 1, 4, 2, 3).contiguous()
    net(depth_first)
    randomise(net)
    copy_to_keras(net, m, flat)
    y, z = m(x, training=kind is not None), net(depth_first)[0]
    z = z[:, :, 0] if flat else z.permute(0, 1, 3, 4, 2)
    print(f"{name:10} {kind or 'none':6} {count} parameters, {full.count_params()} with running values; "
          f"outputs differ by {(y - z).abs().max().item() / z.abs().max().item():.1e} of the largest")


def against_nnunet(size, spacing, channels, outputs):
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    net = golden.NnUNet3D(outputs, 0.125, "instance", spacing)
    x = torch.randn((1, channels) + size)
    net(x)
    randomise(net)
    kernels, strides = net.levels(size)
    widths = [net.width(c) for c in (32, 64, 128, 256, 320, 320)][:len(kernels)]
    peer = PlainConvUNet(channels, len(kernels), widths, torch.nn.Conv3d, kernels, strides, 2, outputs, 2, True,
                         torch.nn.InstanceNorm3d, {"eps": 1e-5, "affine": True},
                         nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True)

    def put(layer, name):
        layer.weight.copy_(net.named[name + ".weight"])
        layer.bias.copy_(net.named[name + ".bias"])

    def put_pair(stack, name):
        for i, block in enumerate(stack.convs, 1):
            put(block.conv, f"{name}.conv{i}")
            put(block.norm, f"{name}.norm{i}")

    last = len(kernels) - 1
    for l, stage in enumerate(peer.encoder.stages):
        put_pair(stage[-1], f"enc{l}")
    for l in range(last):
        put_pair(peer.decoder.stages[last - 1 - l], f"dec{l}")
        put(peer.decoder.transpconvs[last - 1 - l], f"up{l}")
        put(peer.decoder.seg_layers[last - 1 - l], f"head{l}" if l else "head")
    worst = max((a - b).abs().max().item() for a, b in zip(net(x), peer(x)))
    counts = [sum(p.numel() for p in n.parameters()) for n in (net, peer)]
    print(f"nnunet3d {size} at {spacing or 'equal spacing'}: {counts[0]} and {counts[1]} parameters, "
          f"{last} heads differ by {worst:.1e}")


with torch.no_grad():
    for case in golden.CASES:
        if hasattr(Keras, case[0]):
            against_keras(case[0], case[1], case[2], *case[12])
    against_nnunet((16, 64, 64), None, 4, 4)
    against_nnunet((16, 64, 96), (3.6, 0.6, 0.6), 1, 3)
