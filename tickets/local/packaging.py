"""Makes a template deployable, as `sam package` does: local files become S3 objects.

The code's zip is the same for the same files, and every object is named by its content, so an
unchanged function is no update.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from tickets.errors import TicketsError

# What ships to Lambda. Everything else in the folder (caches, notes) stays here.
SHIPPED = ("*.py", "requirements.txt")
# The earliest time that a zip can hold. One for all, or each checkout would be another package.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


class PackagingError(TicketsError):
    """The template can't be read, or names a file that is not there."""


def zip_code(folder: Path) -> bytes:
    """The folder's shipped files as a zip: sorted, of fixed times and modes. Raises PackagingError
    when there is none."""
    paths = sorted(
        path
        for pattern in SHIPPED
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    )
    if not paths:
        raise PackagingError(f"{folder} holds no code: check CodeUri in the template.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in paths:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def package(template_path: Path, client_s3: Any, bucket: str) -> str:
    """Upload what the template refers to and answer with its body, as JSON, that refers to it.

    Replaces each CodeUri (in Globals or of a function) and DefinitionUri that is a local path,
    relative to the template, by {"Bucket", "Key"}. Raises PackagingError.
    """
    template = _read(template_path)
    uploaded: dict[Path, dict[str, str]] = {}

    def upload(local: str) -> dict[str, str]:
        path = (template_path.parent / local).resolve()
        if path not in uploaded:
            if path.is_dir():
                body, suffix = zip_code(path), ".zip"
            elif path.is_file():
                body, suffix = path.read_bytes(), "".join(path.suffixes)
            else:
                raise PackagingError(f"{template_path.name} refers to {local}: it is not there.")
            key = f"{path.name.split('.')[0]}/{hashlib.sha256(body).hexdigest()}{suffix}"
            client_s3.put_object(Bucket=bucket, Key=key, Body=body)
            uploaded[path] = {"Bucket": bucket, "Key": key}
        return uploaded[path]

    def replace(properties: Any, name: str) -> None:
        if isinstance(properties, dict):
            value = properties.get(name)
            if isinstance(value, str) and not value.startswith("s3://"):
                properties[name] = upload(value)

    replace(template.get("Globals", {}).get("Function"), "CodeUri")
    for resource in template["Resources"].values():
        if resource.get("Type") in PROPERTIES:
            replace(resource.get("Properties"), PROPERTIES[resource["Type"]])
    # YAML reads an unquoted 2012-10-17 as a date; `str` writes it as it was.
    return json.dumps(template, default=str)


def _read(template_path: Path) -> dict[str, Any]:
    try:
        template = yaml_parse(template_path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackagingError(f"{template_path} can't be read: {error.strerror}.") from error
    except Exception as error:  # PyYAML's errors, without naming a library we don't depend on
        raise PackagingError(f"{template_path.name} is no YAML: {error}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise PackagingError(f"{template_path.name} has no Resources.")
    return template
