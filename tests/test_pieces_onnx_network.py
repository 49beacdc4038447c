"""A network of an ONNX file is an ordinary torch module."""

import copy
import io
from pathlib import Path

import pytest
import torch
from onnx_files import Graph
from torch import nn

from dlcourse import pieces
from dlcourse.pieces import from_onnx


def network(path: Path) -> nn.Module:
    """y = relu(x W + b) . (1, 1), of inputs of shape (1, 2)."""
    graph = Graph((1, 1, 2))
    hidden = graph.add(
        "Gemm", graph.add("Flatten", "x"), graph.constant([[1.0, 0.0], [1.0, 2.0]]), graph.constant([0.5])
    )
    y = graph.add("MatMul", graph.add("Relu", hidden, name="hidden"), graph.constant([[1.0], [1.0]]))
    return from_onnx(graph.save(path / "network.onnx", y))


def test_inputs_may_be_vectors(tmp_path: Path) -> None:
    x = torch.tensor([[1.0, -1.0], [0.5, 0.25]], dtype=torch.float64)  # hidden: (.5, 0) and (1.25, 1)
    net = network(tmp_path)
    assert net(x).tolist() == net(x.reshape(2, 1, 2)).tolist() == [[0.5], [2.25]]
    assert not net.training
    for wrong in (torch.zeros(2, 3), torch.zeros(2, 2, 1), torch.zeros(2)):
        with pytest.raises(ValueError, match=r"^one input must have shape \(1, 2\) or be a vector of 2, got \("):
            net(wrong)
    with pytest.raises(ValueError, match=r"one input must have shape \(1, 2\) or be a vector of 2, got \(3,\)"):
        pieces.on_line(net, [0.0] * 3, [1.0] * 3)


def test_it_is_trained_stored_and_copied_as_any_module(tmp_path: Path) -> None:
    net = network(tmp_path)
    assert sorted(net.state_dict()) == ["Gemm_gemm1.input_1", "Gemm_gemm1.input_2", "MatMul_matmul3.input_1"]
    assert not any(parameter.requires_grad for parameter in net.parameters())
    x = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    net.requires_grad_()(x).sum().backward()
    assert [parameter.grad is not None for parameter in net.parameters()] == [True] * 3
    stored = io.BytesIO()
    torch.save(net, stored)
    stored.seek(0)
    for other in (copy.deepcopy(net), torch.load(stored, weights_only=False)):
        assert other(x).item() == net(x).item()
    assert net.float()(x.float()).dtype == torch.float32
    assert "Relu_" not in repr(net) and "(hidden): Node(relu2 = Relu(gemm1))" in repr(net)


def test_hooks_are_counted(tmp_path: Path) -> None:
    net = network(tmp_path)
    plain = pieces.on_line(net, [-1.0, 1.0], [1.0, -1.0])
    net.hidden.register_forward_hook(lambda module, args, output: output * torch.tensor([1.0, 0.0]))
    ablated = pieces.on_line(net, [-1.0, 1.0], [1.0, -1.0])
    # On x = (s, -s) the units are relu(1/2) and relu(1/2 - 2 s).
    assert (plain.num_regions, ablated.num_pieces) == (2, 1)
