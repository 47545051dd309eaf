"""`[http] tls_cert` and `tls_key`: which files make a certificate, and the one sentence where they do not."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from aura_actors.cli.app import run
from aura_actors.config import Settings, load
from aura_actors.config.certificate import read_certificate
from aura_actors.errors import InvalidValue
from tests.certificates import Issuer, Pair

Named = Callable[..., Settings]


@pytest.fixture(scope="module")
def pair(issue: Issuer) -> Pair:
    """A good one."""
    return issue()


@pytest.fixture
def named(tmp_path: Path) -> Named:
    """Settings from a file with these keys in `[http]`."""

    def of(**files: Path) -> Settings:
        (tmp_path / "aura.toml").write_text("[http]\n" + "".join(f'{k} = "{v}"\n' for k, v in files.items()))
        return load(tmp_path / "aura.toml", {}, {})

    return of


def refusal(settings: Settings) -> str:
    """One sentence, with the key and the file that it was set in."""
    with pytest.raises(InvalidValue) as caught:
        read_certificate(settings)
    text = str(caught.value)
    assert text.startswith(f"{caught.value.path}: ")
    assert text.count("\n") == 0
    assert text.endswith("aura.toml)")
    return text


def test_without_a_certificate_there_is_no_tls(named: Named) -> None:
    assert read_certificate(named()) is None


def test_old_versions_and_renegotiation_are_not_spoken(named: Named, pair: Pair) -> None:
    read = read_certificate(named(tls_cert=pair.cert, tls_key=pair.key))
    assert read is not None
    assert read.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert read.context.options & ssl.OP_NO_RENEGOTIATION


def test_both_files_are_one_certificate_and_others_are_another(named: Named, pair: Pair, issue: Issuer) -> None:
    digests = [
        read.digest
        for each in (pair, pair, issue())
        if (read := read_certificate(named(tls_cert=each.cert, tls_key=each.key))) is not None
    ]
    assert digests[0] == digests[1] != digests[2]


def test_one_without_the_other_is_refused_by_the_name_of_the_missing_one(named: Named, pair: Pair) -> None:
    assert refusal(named(tls_cert=pair.cert)).startswith("http.tls_key: is missing, because http.tls_cert is set")
    assert refusal(named(tls_key=pair.key)).startswith("http.tls_cert: is missing, because http.tls_key is set")


def test_a_file_that_cannot_be_read_is_named(named: Named, pair: Pair, tmp_path: Path) -> None:
    for cert, key, path in ((tmp_path / "no", pair.key, "tls_cert"), (pair.cert, tmp_path / "no", "tls_key")):
        said = refusal(named(tls_cert=cert, tls_key=key))
        assert said.startswith(f'http.{path}: cannot read "{tmp_path / "no"}": No such file or directory')


def test_what_is_none_is_refused(named: Named, pair: Pair, tmp_path: Path) -> None:
    """An empty file, a key in the place of a certificate, a certificate in the place of a key."""
    (empty := tmp_path / "empty").touch()
    for cert in (empty, pair.key):
        assert refusal(named(tls_cert=cert, tls_key=pair.key)).startswith(
            f'http.tls_cert: "{cert}" is not a certificate in PEM form'
        )
    for key in (empty, pair.cert):
        assert refusal(named(tls_cert=pair.cert, tls_key=key)).startswith(
            f'http.tls_key: "{key}" is not a private key in PEM form'
        )


@pytest.mark.parametrize("algorithm", [(), ("rsa:2048",)], ids=["same kind", "other kind"])
def test_the_key_of_another_certificate_is_refused(
    named: Named, pair: Pair, issue: Issuer, algorithm: tuple[str, ...]
) -> None:
    other = issue(*algorithm)
    said = refusal(named(tls_cert=pair.cert, tls_key=other.key))
    assert said.startswith(f'http.tls_key: "{other.key}" is not the key of the certificate in tls_cert')


def test_an_encrypted_key_is_refused_and_nobody_is_asked(
    named: Named, pair: Pair, issue: Issuer, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    issue.run("pkey", "-in", str(pair.key), "-aes256", "-passout", "pass:secret", "-out", str(locked))
    assert refusal(named(tls_cert=pair.cert, tls_key=locked)).startswith(f'http.tls_key: "{locked}" is encrypted')


def test_a_key_that_openssl_finds_too_small_is_the_certificates_fault(named: Named, issue: Issuer) -> None:
    weak = issue("rsa:1024")
    said = refusal(named(tls_cert=weak.cert, tls_key=weak.key))
    assert said.startswith(f'http.tls_cert: OpenSSL refuses the certificate in "{weak.cert}": ee key too small')


def test_config_check_says_so(named: Named, pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named(tls_cert=pair.cert, tls_key=pair.cert)
    assert run(["config", "check", str(tmp_path / "aura.toml")]) == 2
    assert "http.tls_key" in capsys.readouterr().err
    named(tls_cert=pair.cert, tls_key=pair.key)
    assert run(["config", "check", str(tmp_path / "aura.toml")]) == 0
