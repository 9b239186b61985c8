"""Makes a template deployable as `sam package` does: uploads the local files that it refers to, and
replaces the references with the S3 objects.

Equal files give an equal zip, and every object is named after the hash of its content, so deploying
unchanged code updates nothing.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from tickets.errors import TicketsError

# The files that are deployed to Lambda; other files in the folder are not.
SHIPPED = ("*.py", "*.json", "*.j2", "*.css", "*.svg", "requirements.txt")
# The earliest time that a zip can hold. Files' own times would make each checkout's zip different.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


class PackagingError(TicketsError):
    """The template can't be read, or refers to a file that does not exist."""


def zip_code(folder: Path) -> bytes:
    """Zips the folder's deployable files, sorted and with fixed times and modes. Raises
    PackagingError if there are none."""
    paths = sorted(
        path
        for pattern in SHIPPED
        for path in folder.rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    )
    if not paths:
        raise PackagingError(f"{folder} contains no code: check CodeUri in the template.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in paths:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def package(template_path: Path, client_s3: Any, bucket: str) -> str:
    """Uploads the files that the template refers to; returns the template as JSON, with references
    to the uploaded objects.

    Each CodeUri (in Globals or of a function) and DefinitionUri that is a path, relative to the
    template, becomes {"Bucket": ..., "Key": ...}. Raises PackagingError.
    """
    template = read_template(template_path)
    uploaded: dict[Path, dict[str, str]] = {}

    def upload(local: str) -> dict[str, str]:
        path = (template_path.parent / local).resolve()
        if path not in uploaded:
            if path.is_dir():
                body, suffix = zip_code(path), ".zip"
            elif path.is_file():
                body, suffix = path.read_bytes(), "".join(path.suffixes)
            else:
                raise PackagingError(
                    f"{template_path.name} refers to {local}, which does not exist."
                )
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
    # YAML parses an unquoted 2012-10-17 as a date, which `str` turns back into that text.
    return json.dumps(template, default=str)


def read_template(template_path: Path) -> dict[str, Any]:
    """Parses a template. Short forms like !Ref are in their long form. Raises PackagingError."""
    from samtranslator.yaml_helper import yaml_parse  # installed only with the extra `local`

    try:
        template = yaml_parse(template_path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackagingError(f"{template_path} can't be read: {error.strerror}.") from error
    except Exception as error:  # PyYAML's, which is not among our own dependencies
        raise PackagingError(f"{template_path.name} is not valid YAML: {error}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise PackagingError(f"{template_path.name} has no Resources.")
    return template
