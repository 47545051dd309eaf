"""`[[http.tokens]]`: what an entry may hold, where its token comes from, and that nobody is shown it."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from aura_actors.config import HttpToken, Secret, Settings, check_exposure, load, to_toml
from aura_actors.errors import InvalidValue
from aura_actors.runtime import rules

Write = Callable[[str], Path]

TWO = """
[http]
host = "0.0.0.0"
[[http.tokens]]
name = "board"
scopes = ["read"]
token = "s3cret-one"
[[http.tokens]]
name = "ci"
scopes = ["read", "admit"]
token_file = "{file}"
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration file, with the path of a file that holds a token for `{file}`."""

    def write_file(text: str) -> Path:
        (tmp_path / "ci.token").write_text("s3cret-two\n")
        path = tmp_path / "aura.toml"
        path.write_text(text.replace("{file}", str(tmp_path / "ci.token")))
        return path

    return write_file


def refusal(path: Path | None, environ: dict[str, str] | None = None) -> str:
    """The sentence, which names no secret."""
    with pytest.raises(InvalidValue) as caught:
        load(path, environ or {}, {})
    assert caught.value.path == "http.tokens"
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_token_is_given_or_read_from_its_file(write: Write, tmp_path: Path) -> None:
    board, ci = load(write(TWO), {}, {}).http.tokens
    assert board == HttpToken(name="board", scopes=("read",), token=Secret("s3cret-one"))
    assert ci == HttpToken(
        name="ci", scopes=("read", "admit"), token=Secret("s3cret-two"), token_file=tmp_path / "ci.token"
    )


def test_tokens_come_from_the_environment_too() -> None:
    environ = {"AURA_HTTP__TOKENS": '[{ name = "ci", scopes = ["admit"], token = "s3cret" }]'}
    (token,) = load(None, environ, {}).http.tokens
    assert (token.name, token.scopes, token.token) == ("ci", ("admit",), Secret("s3cret"))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('scopes = ["read"]\ntoken = "s3cret"', "needs a name"),
        ('name = "s3cret word"\nscopes = ["read"]\ntoken = "s3cret"', "needs a name"),
        ('name = "uid:0"\nscopes = ["read"]\ntoken = "s3cret"', "needs a name"),
        ('name = 1\nscopes = ["read"]\ntoken = "s3cret"', "needs a name"),
        ('name = "a"\ntoken = "s3cret"', "has no scopes"),
        ('name = "a"\nscopes = []\ntoken = "s3cret"', "at least one"),
        ('name = "a"\nscopes = ["s3cret"]\ntoken = "s3cret"', "admit, operate, read"),
        ('name = "a"\nscopes = ["Read"]\ntoken = "s3cret"', "admit, operate, read"),
        ('name = "a"\nscopes = ["read"]', "one of token and token_file"),
        ('name = "a"\nscopes = ["read"]\ntoken = "s3cret"\ntoken_file = "x"', "one of token and token_file"),
        ('name = "a"\nscopes = ["read"]\ntoken = "s3cret word"', "printable"),
        ('name = "a"\nscopes = ["read"]\ntoken = ""', "empty"),
        ('name = "a"\nscopes = ["read"]\ntoken_file = "/does/not/exist"', "cannot read"),
        ('name = "a"\nscopes = ["read"]\ntokn = "s3cret"', "unknown key"),
    ],
)
def test_an_entry_that_is_not_right_is_refused_and_its_token_not_repeated(
    write: Write, entry: str, reason: str
) -> None:
    assert reason in refusal(write(f"[[http.tokens]]\n{entry}\n"))


@pytest.mark.parametrize(
    "text", ["s3cret", '"s3cret"', '["s3cret"]', "{ a = 's3cret' }", "[[{ a = 's3cret' }]]", "1"]
)
def test_what_is_no_list_of_tables_is_refused_and_not_repeated(text: str) -> None:
    assert "[[http.tokens]]" in refusal(None, {"AURA_HTTP__TOKENS": text})


def test_two_tokens_are_never_the_same(write: Write) -> None:
    assert "same name" in refusal(write(TWO.replace('"ci"', '"board"')))
    assert "are the same" in refusal(write(TWO.replace("s3cret-one", "s3cret-two")))
    assert "are the same" in refusal(write(TWO), {"AURA_HTTP__TOKEN": "s3cret-one"})


def test_nothing_shows_a_token_that_is_written_in_the_file(write: Write) -> None:
    settings = load(write(TWO), {}, {})
    for text in (repr(settings), str(settings.http.tokens), f"{settings.http}", to_toml(settings)):
        assert "s3cret" not in text
    assert "s3cret-one" in to_toml(settings, hide_secrets=False)
    assert "s3cret-two" not in to_toml(settings, hide_secrets=False)


def test_what_is_shown_with_hidden_tokens_serves_none_of_them(write: Write) -> None:
    shown = to_toml(load(write(TWO), {}, {}))
    assert '# tokens = [{ name = "board", scopes = ["read"], token = "***" }' in shown
    assert load(write(shown), {}, {}).http.tokens == ()


@pytest.mark.parametrize("hide", [True, False])
def test_tokens_in_files_are_shown_by_their_file_and_load_again(write: Write, hide: bool) -> None:
    settings = load(write('[[http.tokens]]\nname = "ci"\nscopes = ["read"]\ntoken_file = "{file}"\n'), {}, {})
    again = load(write(to_toml(settings, hide_secrets=hide)), {}, {})
    assert again.http.tokens == settings.http.tokens != ()


def test_revealed_tokens_load_again(write: Write) -> None:
    settings = load(write(TWO), {}, {})
    again = load(write(to_toml(settings, hide_secrets=False)), {}, {})
    assert again.http.tokens == settings.http.tokens


def test_named_tokens_allow_to_serve_others(write: Write) -> None:
    check_exposure(load(write(TWO), {}, {}))


def test_every_token_is_kept_out_of_the_log_the_longest_first(write: Write) -> None:
    """A token that is part of another one must not leave the rest of it."""
    settings = load(write(TWO), {"AURA_HTTP__TOKEN": "s3cret"}, {})
    assert settings.http.secrets == ("s3cret-one", "s3cret-two", "s3cret")
    assert Settings().http.secrets == ()


def test_the_guard_gets_every_token_with_its_scopes(write: Write) -> None:
    access = rules.access(load(write(TWO), {"AURA_HTTP__TOKEN": "s3cret"}, {}), [])
    assert [(each.name, each.token, set(each.scopes)) for each in access.accepted] == [
        (None, "s3cret", {"read", "admit", "operate"}),
        ("board", "s3cret-one", {"read"}),
        ("ci", "s3cret-two", {"read", "admit"}),
    ]


def test_trusted_proxies_are_addresses_networks_or_the_unix_socket(write: Write) -> None:
    text = '[http]\ntrusted_proxies = ["10.1.2.3/8", "::1", "unix", "127.0.0.1"]'
    settings = load(write(text), {}, {})
    assert settings.http.trusted_proxies == ("10.0.0.0/8", "::1/128", "unix", "127.0.0.1/32")
    assert load(write(to_toml(settings)), {}, {}).http.trusted_proxies == settings.http.trusted_proxies
    assert rules.access(settings, []).trusted_proxies == settings.http.trusted_proxies


@pytest.mark.parametrize("value", ["proxy.example", "10.0.0.0/33", "", "*", 1, 10**30])
def test_a_trusted_proxy_that_is_no_address_is_refused(value: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        load(None, {}, {"http.trusted_proxies": [value]})
    assert caught.value.path == "http.trusted_proxies"


def test_a_token_keeps_its_secret_in_every_spelling() -> None:
    token = HttpToken(name="a", scopes=("read",), token=Secret("s3cret"))
    with pytest.raises(TypeError):
        msgspec.json.encode(token)
    assert "s3cret" not in repr(token)
