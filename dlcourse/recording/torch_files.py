"""Files of torch for thousands of small networks that are alike: all but their values is written once."""

import io
import struct
import zlib
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from zipfile import ZipFile, ZipInfo

import torch
from torch import Tensor

MAX_KNOWN = 16
"""So many files are kept: that of a network and that of its weights, for each of the widths that train together."""

ID = ".data/serialization_id"
"""The name of what torch writes last: a hash of the records' names in twenty digits, and one of their checksums."""


def torch_bytes(content: Any) -> bytes:
    """What `torch.save` writes, byte for byte, and of small networks that are alike in a fraction of the time.

    Such a file is a ZIP archive without compression: a pickle, which says how tensors are made of values, and the
    values of each tensor. The files of two networks of one architecture differ in the values and in their checksums
    only: so from the third one on, these are put into a copy of the first one's file. The second is written both ways,
    and where the two differ, as they might with another version of torch, torch writes all others, too.

    Args:
        content: Dictionaries and lists of tensors and of plain values. Anything else is written by torch each time.
    """
    tensors: list[Tensor] = []
    kind = _kind(content, tensors)
    if kind is None or len({tensor.data_ptr() for tensor in tensors}) < len(tensors):  # some share values
        return _by_torch(content)
    known = _known.get(kind)
    values = [tensor.detach().numpy().tobytes() for tensor in tensors]
    if known is not None and known.is_proven:
        return known.filled(values)
    written = _by_torch(content)
    if known is None:
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        with suppress(KeyError):  # a version of torch that gives the parts other names
            _known[kind] = _Archive(written, len(tensors))
    else:
        known.is_proven = known.filled(values) == written
    return written


def _by_torch(content: Any) -> bytes:
    """What `torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@dataclass(frozen=True)
class _Record:
    """A file in an archive.

    Attributes:
        first: Where its content begins.
        end: Where it ends.
        checksum: Its CRC-32.
        checksums: The two places where that stands: behind the content, and in the directory.
    """

    first: int
    end: int
    checksum: int
    checksums: tuple[int, int]


class _Archive:
    """A file that torch has written, into which other values can be put.

    Args:
        content: The file.
        num_tensors: How many tensors are in it.

    Attributes:
        is_proven: Whether a file that was filled was the one that torch wrote.
    """

    def __init__(self, content: bytes, num_tensors: int) -> None:
        self.is_proven = False
        self._content = content
        archive = ZipFile(io.BytesIO(content))
        places = _places_in_the_directory(content, archive.start_dir, len(archive.infolist()))
        records = {
            entry.filename.partition("/")[2]: _record(content, entry, place)
            for entry, place in zip(archive.infolist(), places, strict=True)
        }
        self._id = records.pop(ID)
        self._others = [(name, record.checksum) for name, record in records.items()]
        self._values = {f"data/{index}": records[f"data/{index}"] for index in range(num_tensors)}

    def filled(self, values: list[bytes]) -> bytes:
        """The file with other values.

        Args:
            values: Those of each tensor, as many bytes as there were.
        """
        content = bytearray(self._content)
        checksums = {
            name: _put(content, record, value)
            for (name, record), value in zip(self._values.items(), values, strict=True)
        }
        # Source: PyTorchStreamWriter::writeRecord in caffe2/serialize/inline_container.cc, and c10::hash_combine.
        combined = 0
        for name, checksum in self._others:
            added = checksums.get(name, checksum) + 0x9E3779B9 + (combined << 6) + (combined >> 2)
            combined ^= added & 0xFFFFFFFFFFFFFFFF
        of_names = content[self._id.first : self._id.first + 20]
        _put(content, self._id, of_names + b"%020d" % combined)
        return bytes(content)


_known: dict[Any, _Archive] = {}


def _places_in_the_directory(content: bytes, first: int, num: int) -> list[int]:
    """Where the entries of an archive's directory begin."""
    places = []
    for _ in range(num):
        places.append(first)
        first += 46 + sum(struct.unpack_from("<HHH", content, first + 28))  # the lengths of name, extra and comment
    return places


def _record(content: bytes, entry: ZipInfo, place: int) -> _Record:
    """Where a record is, by its entry in the directory and the place of that."""
    first = entry.header_offset + 30 + sum(struct.unpack_from("<HH", content, entry.header_offset + 26))
    end = first + entry.file_size
    return _Record(first, end, entry.CRC, (end + 4, place + 16))


def _put(content: bytearray, record: _Record, value: bytes | bytearray) -> int:
    """Puts a value in a record's place, and its checksum, which it returns, where that belongs."""
    checksum = zlib.crc32(value)
    content[record.first : record.end] = value
    for place in record.checksums:
        struct.pack_into("<I", content, place, checksum)
    return checksum


def _kind(content: Any, tensors: list[Tensor]) -> Any:
    """What all but the values depends on; None where that is more than is known here. Adds the tensors in order."""
    if type(content) is Tensor:
        tensors.append(content)
        is_all = content.is_contiguous() and content.untyped_storage().nbytes() == content.nbytes
        is_special = content.device.type != "cpu" or content.is_conj() or content.is_neg() or vars(content)
        is_known = is_all and not is_special and content.dtype in (torch.float32, torch.float64, torch.int64)
        return (content.shape, content.dtype, content.requires_grad) if is_known else None
    if type(content) in (dict, OrderedDict):
        kinds = [(key, _kind(value, tensors)) for key, value in content.items()]
        known = all(type(key) is str and kind is not None for key, kind in kinds)
        # Networks' dictionaries of values say the versions of their layers, too.
        return (type(content), *kinds, repr(getattr(content, "__dict__", None))) if known else None
    if type(content) is list:
        kinds = [_kind(each, tensors) for each in content]
        return None if None in kinds else (list, *kinds)
    return repr(content) if content is None or type(content) in (bool, int, float, str) else None
