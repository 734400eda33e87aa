"""The registry of `models/`: finds the current version and trusts nothing it has not verified.

Only ONNX is read, from bytes whose hash the manifest names; nothing here can run code of a model file.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from re import fullmatch

from pydantic import ValidationError

from mia_actors.core.errors import ConfigError
from mia_actors.core.features import ENSEMBLE_FEATURES, ENSEMBLE_SCHEMA_VERSION
from mia_actors.core.market import Timeframe
from mia_actors.ensemble.manifest import CURRENT_FILE, MANIFEST_FILE, VERSION_PATTERN, Manifest, ModelFile

REMEDY = "train one with `mia train`, or restore the directory from version control"
FILE_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSet:
    """A verified model version: the manifest and the very bytes that were verified."""

    manifest: Manifest
    contents: tuple[tuple[str, bytes], ...]
    """Model name and ONNX bytes, in the order of the manifest's files."""


def load(models_dir: Path, *, entry_timeframe: Timeframe | None = None) -> ModelSet:
    """The current version, verified; `entry_timeframe` None accepts any.

    Raises:
        ConfigError: directory, CURRENT, manifest or a file is missing, malformed or altered, or the models
            were made for other features or another entry timeframe. The message says which and what to do.
    """
    return load_version(models_dir, current_version(models_dir), entry_timeframe=entry_timeframe)


def load_version(models_dir: Path, version: str, *, entry_timeframe: Timeframe | None = None) -> ModelSet:
    """One version by name, verified as `load` does.

    Raises:
        ConfigError: see `load`.
    """
    directory = models_dir / version
    manifest = read_manifest(models_dir, version)
    _check_fit(manifest, directory, entry_timeframe)
    contents = tuple((file.model, _verified_bytes(directory, file)) for file in manifest.files)
    return ModelSet(manifest=manifest, contents=contents)


def current_version(models_dir: Path) -> str:
    """The version name in CURRENT.

    Raises:
        ConfigError: there is no models directory, no CURRENT, or no proper name in it.
    """
    if not models_dir.is_dir():
        raise ConfigError(f"models: {models_dir} is not a directory; {REMEDY}")
    path = models_dir / CURRENT_FILE
    try:
        version = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise ConfigError(f"models: {path} is missing, so no version is chosen; {REMEDY}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"models: {path} cannot be read: {error}; {REMEDY}") from error
    if not fullmatch(VERSION_PATTERN, version):
        raise ConfigError(
            f"models: {path} holds {version!r}, which is not a version name; {_known(models_dir)}"
        )
    return version


def versions(models_dir: Path) -> tuple[str, ...]:
    """Names of the versions stored, verified or not, in alphabetical order."""
    if not models_dir.is_dir():
        return ()
    found = (path.parent.name for path in models_dir.glob(f"*/{MANIFEST_FILE}"))
    return tuple(sorted(name for name in found if fullmatch(VERSION_PATTERN, name)))


def read_manifest(models_dir: Path, version: str) -> Manifest:
    """The manifest of a version, proved to be the content its name was made from.

    Raises:
        ConfigError: it is missing, malformed or was altered.
    """
    path = models_dir / version / MANIFEST_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"models: {path} is missing; {_known(models_dir)}; {REMEDY}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"models: {path} cannot be read: {error}; {REMEDY}") from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"models: {path}: {where}: {first['msg']}; {REMEDY}") from error
    if manifest.version != version or manifest.version_expected() != version:
        raise ConfigError(
            f"models: {path}: its content belongs to version {manifest.version_expected()}, "
            f"not to {version}: it was altered or moved; {REMEDY}"
        )
    return manifest


def _check_fit(manifest: Manifest, directory: Path, entry_timeframe: Timeframe | None) -> None:
    if (
        manifest.feature_schema_version != ENSEMBLE_SCHEMA_VERSION
        or manifest.feature_names != ENSEMBLE_FEATURES
    ):
        raise ConfigError(
            f"models: {directory} was trained on feature schema {manifest.feature_schema_version} "
            f"({', '.join(manifest.feature_names)}), this program makes schema {ENSEMBLE_SCHEMA_VERSION} "
            f"({', '.join(ENSEMBLE_FEATURES)}); train anew with `mia train`"
        )
    if entry_timeframe is not None and manifest.entry_timeframe is not entry_timeframe:
        raise ConfigError(
            f"models: {directory} was trained for entries on {manifest.entry_timeframe} bars, "
            f"configured is {entry_timeframe}; set entry_timeframe to {manifest.entry_timeframe}, "
            f"or train for {entry_timeframe} with `mia train`"
        )


def _verified_bytes(directory: Path, file: ModelFile) -> bytes:
    path = directory / file.file
    try:
        size_bytes = path.stat().st_size
        content = path.read_bytes() if size_bytes <= FILE_BYTES_MAX else b""
    except FileNotFoundError:
        raise ConfigError(f"models: {path} is missing; {REMEDY}") from None
    except OSError as error:
        raise ConfigError(f"models: {path} cannot be read: {error}; {REMEDY}") from error
    found = sha256(content).hexdigest()
    if len(content) != file.size_bytes or found != file.sha256:
        raise ConfigError(
            f"models: {path} is not the file the manifest names: {size_bytes} bytes, SHA-256 {found[:12]}…, "
            f"expected {file.size_bytes} bytes, {file.sha256[:12]}…; {REMEDY}"
        )
    return content


def _known(models_dir: Path) -> str:
    names = versions(models_dir)
    return f"versions stored: {', '.join(names)}" if names else "no version is stored"
