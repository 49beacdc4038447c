"""Which layer is running, for error messages."""

from pathlib import Path
from types import CodeType, FrameType, TracebackType

import torch
from torch import nn


class Layers:
    """A network's layers, by name.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.names = {id(module): name for name, module in reversed([*network.named_modules()])}

    def described(self, module: nn.Module) -> str:
        """A layer."""
        name = self.names.get(id(module), "")
        kind = f"a {type(module).__name__}"
        return f"layer '{name}', {kind}" if name else kind

    def of_call(self, name: str, frame: FrameType | None) -> str:
        """A call; its line, too, if neither a layer's name nor its kind tell which one it is."""
        module, part = self.running(frame)
        layer = self.described(module)
        if part:
            return f"{name} in {part} of {layer}{_line(frame)}"
        if type(module).__module__.startswith("torch.nn"):
            return layer
        return f"{name} in {layer}" if self.names.get(id(module)) else f"{name} in {layer}{_line(frame)}"

    def running(self, frame: FrameType | None) -> tuple[nn.Module, str]:
        """The innermost layer that runs, and which part of it unless that is its own forward."""
        seen: set[CodeType] = set()
        while frame is not None:
            if frame.f_code is _CALL:
                module = frame.f_locals["self"]
                if "forward" in vars(module):
                    return module, "the replaced forward"
                own = getattr(type(module).forward, "__code__", None)
                return module, "" if own is None or own in seen else "a hook"
            seen.add(frame.f_code)
            frame = frame.f_back
        return self.network, ""

    def of_error(self, traceback: TracebackType | None) -> str:
        """The innermost layer that an error comes from."""
        module = self.network
        while traceback is not None:
            if traceback.tb_frame.f_code is _CALL:
                module = traceback.tb_frame.f_locals["self"]
            traceback = traceback.tb_next
        return self.described(module)


_CALL = nn.Module._call_impl.__code__


def _line(frame: FrameType | None) -> str:
    """The line of the caller's code that is being run."""
    while frame is not None and frame.f_code.co_filename.startswith(_NOT_THE_CALLERS):
        frame = frame.f_back
    return "" if frame is None else f" ({Path(frame.f_code.co_filename).name}, line {frame.f_lineno})"


_NOT_THE_CALLERS = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<")
