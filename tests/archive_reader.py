#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A second reader and writer of archives, from docs/archive-format.md alone: nothing of strata, the
standard library only.

    archive_reader.py read DIRECTORY     prints what is in it as JSON; exit code 1 if it is damaged
    archive_reader.py write DIRECTORY    writes one, of dimension 7
"""
import base64
import hashlib
import json
import pathlib
import struct
import sys

PAGE = 4096
HEADER = 256
FIELDS = struct.Struct("<4sIIIQQ")  # magic, version, dimension, zero, layers, total size


class Damaged(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Damaged(what)


def read(directory):
    region = (directory / "region.mmap").read_bytes()
    index = json.loads((directory / "index.json").read_text(encoding="utf-8"))
    magic, version, dimension, zero, count, total = FIELDS.unpack(region[: FIELDS.size])
    require(magic == b"MMAP", "magic")
    require(version == 1 and index.get("version", 1) == 1, "version")
    require(zero == 0 and not any(region[64:HEADER]), "zeros of the header")
    require(dimension == index["dimension_id"], "dimension")
    require(count == index["layer_count"] == len(index["layers"]), "layer count")
    require(total == index["total_size"] == len(region), "total size")
    checksum = hashlib.sha256(region[:32])
    layers, end = [], HEADER
    for layer in sorted(index["layers"], key=lambda layer: (layer["offset"], layer["layer_id"])):
        offset, size = layer["offset"], layer["size"]
        content = layer.get("content_size", size)
        require(offset == end and size % PAGE == 0, f"place of layer {layer['layer_id']}")
        require(0 <= size - content < PAGE, f"content size of layer {layer['layer_id']}")
        stored = region[offset : offset + size]
        require(not any(stored[content:]), f"padding of layer {layer['layer_id']}")
        digest = hashlib.sha256(stored)
        require(layer["checksum"] == "sha256:" + digest.hexdigest(), f"layer {layer['layer_id']}")
        checksum.update(digest.digest())
        keywords = layer.get("keywords", [])
        if "keywords_base64" in layer:
            keywords = [base64.b64decode(k).hex() for k in layer["keywords_base64"]]
        layers.append(
            {
                "layer": layer["layer_id"],
                "content": stored[:content].decode("latin-1"),
                "frequency": layer.get("frequency", 0.0),
                "keywords": keywords,
            }
        )
        end += size
    require(end == total, "end of the last layer")
    require(checksum.digest() == region[32:64], "checksum of the header")
    return {"dimension": dimension, "name": index.get("dimension_name"), "layers": layers}


def write(directory):
    contents = {3: b"", 5: b"written by another program", 2**64 - 1: b"\xff" * PAGE}
    layers, body, digests, offset = [], b"", b"", HEADER
    for number, content in contents.items():
        stored = content + bytes(-len(content) % PAGE)
        digest = hashlib.sha256(stored)
        layers.append(
            {
                "checksum": "sha256:" + digest.hexdigest(),
                "size": len(stored),
                "offset": offset,
                "layer_id": number,
                "content_size": len(content),
                "a field of tomorrow": {"nested": [1, {"deep": None}]},
            }
        )
        body, digests, offset = body + stored, digests + digest.digest(), offset + len(stored)
    header = FIELDS.pack(b"MMAP", 1, 7, 0, len(layers), offset)
    header += hashlib.sha256(header + digests).digest()
    directory.mkdir()
    (directory / "region.mmap").write_bytes(header.ljust(HEADER, b"\0") + body)
    index = {"layers": layers[::-1], "total_size": offset, "layer_count": len(layers)}
    (directory / "index.json").write_text(json.dumps(index | {"dimension_id": 7}))


def main():
    action, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    if action == "write":
        write(directory)
        return 0
    try:
        print(json.dumps(read(directory)))
    except (Damaged, KeyError, ValueError, struct.error) as error:
        print(f"damaged: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
