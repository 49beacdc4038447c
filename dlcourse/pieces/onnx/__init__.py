"""From an ONNX file to a torch module."""

from dlcourse.pieces.onnx.file import from_onnx as from_onnx
