"""Files of torch for thousands of small networks that are alike: what is the same in all of them is pickled once."""

import io
import pickle
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

MAX_KNOWN = 16
"""So many pickles are kept: that of a network and that of its weights, for each of the widths that train together."""


def torch_bytes(content: Any) -> bytes:
    """What `torch.save` writes, byte for byte, and of small networks that are alike in half the time.

    Such a file has two parts: a pickle, which says how tensors are made of values, and the values. Torch asks for every
    object in the pickle whether it has values, and these calls of Python are most of the work. But the pickles of two
    networks of one architecture are the same: so the second time, torch is given the first one's and the values.

    Args:
        content: Dictionaries and lists of tensors and of plain values. Anything else is pickled each time.
    """
    file = io.BytesIO()
    torch.save(content, file, pickle_module=_PickledOnce)
    return file.getvalue()


_known: dict[Any, bytes] = {}


class _PickledOnce:
    """What `torch.save` uses of the module `pickle`."""

    class Pickler(pickle.Pickler):
        """Writes the pickle of what is like something before without making it again."""

        def __init__(self, file: io.BytesIO, protocol: int) -> None:
            super().__init__(file, protocol=protocol)
            self._file = file

        def dump(self, content: Any) -> None:
            """Writes the pickle; `persistent_id` tells torch which values go with it, in the order of the pickle."""
            tensors: list[Tensor] = []
            kind = _kind(content, tensors)
            if kind is None or len({tensor.data_ptr() for tensor in tensors}) < len(tensors):  # some share values
                super().dump(content)
                return
            if kind in _known:
                for tensor in tensors:
                    self.persistent_id(tensor.untyped_storage())
                self._file.write(_known[kind])
                return
            before = self._file.tell()
            super().dump(content)
            if len(_known) == MAX_KNOWN:
                _known.clear()
            self._file.seek(before)
            _known[kind] = self._file.read()


def _kind(content: Any, tensors: list[Tensor]) -> Any:
    """What the pickle depends on; None where that is more than is known here. Adds the tensors in their order."""
    if type(content) is Tensor:
        tensors.append(content)
        is_all = content.is_contiguous() and content.untyped_storage().nbytes() == content.nbytes
        is_special = content.device.type != "cpu" or content.is_conj() or content.is_neg() or vars(content)
        return (content.shape, content.dtype, content.requires_grad) if is_all and not is_special else None
    if type(content) in (dict, OrderedDict):
        kinds = [(key, _kind(value, tensors)) for key, value in content.items()]
        known = all(type(key) is str and kind is not None for key, kind in kinds)
        # Networks' dictionaries of values say the versions of their layers, too.
        return (type(content), *kinds, repr(getattr(content, "__dict__", None))) if known else None
    if type(content) is list:
        kinds = [_kind(each, tensors) for each in content]
        return None if None in kinds else (list, *kinds)
    return repr(content) if content is None or type(content) in (bool, int, float, str) else None
