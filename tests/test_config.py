"""Settings come from a file, the environment and options, in this order; anything else is refused by name."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from aura_actors.config import Secret, Settings, check_exposure, load, to_toml
from aura_actors.config.sections import Provider
from aura_actors.errors import InvalidValue, UsageError

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration file."""

    def write_file(text: str) -> Path:
        path = tmp_path / "aura.toml"
        path.write_text(text, "utf-8")
        return path

    return write_file


def refusal(path: Path | None = None, environ: dict[str, str] | None = None, **overrides: object) -> InvalidValue:
    """The refusal of these settings; it is one line."""
    with pytest.raises(InvalidValue) as caught:
        load(path, environ or {}, overrides)
    assert "\n" not in str(caught.value)
    return caught.value


# --- defaults -------------------------------------------------------------------------------------------


def test_without_any_source_every_key_has_the_guides_default() -> None:
    settings = load(None, {}, {})
    assert settings == Settings()
    assert settings.admission.bytes_per_job == 2 * 1024**3
    assert settings.admission.reserved_for_ui == 500_000_000
    assert settings.admission.cpu_threshold_percent == 85
    assert settings.admission.memory_threshold_percent == 80
    assert settings.admission.job_slots == "auto"
    assert settings.providers.max_concurrent("anybody") == 5
    assert (settings.cleanup.start_delay, settings.cleanup.hourly) == (300, 3600)
    assert (settings.cleanup.daily, settings.cleanup.weekly) == (86_400, 604_800)
    assert settings.cleanup.temp_files.older_than == 86_400
    assert (settings.alerts.cpu_percent, settings.alerts.memory_percent, settings.alerts.gpu_celsius) == (
        90,
        85,
        85,
    )


# --- the file -------------------------------------------------------------------------------------------


def test_a_file_sets_sizes_durations_lists_and_named_tables(write: Write) -> None:
    settings = load(
        write(
            """
            data_dir = "/srv/aura"
            [sampler]
            interval = "250ms"
            [sampler.intervals]
            disk = "10s"
            [admission]
            bytes_per_job = "1.5GiB"
            job_slots = 3
            memory_limit = "8GiB"
            [providers.OpenAI]
            max_concurrent = 2
            [cleanup.temp-files]
            every = ["hourly", "daily"]
            older_than = 0
            root = "/srv/tmp"
            max_share = 0.5
            """
        ),
        {},
        {},
    )
    assert settings.data_dir == Path("/srv/aura")
    assert settings.sampler.interval == 0.25
    assert settings.sampler.intervals.seconds_by_name == {"disk": 10.0}
    assert settings.admission.bytes_per_job == 3 * 512 * 1024**2
    assert (settings.admission.job_slots, settings.admission.memory_limit) == (3, 8 * 1024**3)
    assert settings.providers.max_concurrent("OpenAI") == 2
    assert list(settings.providers.by_name) == ["OpenAI"]
    task = settings.cleanup.temp_files
    assert (task.every, task.older_than, task.max_share) == (("hourly", "daily"), 0, 0.5)
    assert task.root == Path("/srv/tmp")


def test_one_period_may_be_written_without_a_list(write: Write) -> None:
    settings = load(write('[cleanup.temp-files]\nevery = "weekly"'), {}, {})
    assert settings.cleanup.temp_files.every == ("weekly",)


@pytest.mark.parametrize(
    ("text", "path", "part"),
    [
        ("[admission]\nbytes_perjob = 1", "admission.bytes_perjob", "unknown key; did you mean bytes_per_job?"),
        ("[admision]\nmax_jobs = 1", "admision", "did you mean admission?"),
        ("sources = {}", "sources", "unknown key"),
        ("[http]\ntls_chain = 'x'", "http.tls_chain", "unknown key"),
        ("[cleanup]\ntemp_files = {}", "cleanup.temp_files", "did you mean temp-files?"),
        ("[providers]\ndefault_max_concurent = 3", "providers.default_max_concurent", "unknown key"),
        ("[providers.'a b']\nmax_concurrent = 3", "providers.a b", "provider name"),
        ("[providers.A]\nrequests_per_minute = 0", "providers.A.requests_per_minute", "above 0"),
        ("[providers.A]\ntokens_per_minute = inf", "providers.A.tokens_per_minute", "at most 1e+09"),
        ("[providers.A]\ntokens_per_minute = '90k'", "providers.A.tokens_per_minute", "expected a number"),
        ("[providers.A]\nadaptive = 1", "providers.A.adaptive", "true or false"),
        ("[providers.A]\ntokens = 1", "providers.A.tokens", "unknown key"),
        ("[providers.A]\nmax_concurrent = 3\n[providers.a]", "providers.a", "only in case"),
        ("admission = 3", "admission", "expected a table, got 3"),
        ("[http]\nhost = {a = 1}", "http.host", "got a table"),
        ("[http]\nhost = '[::1]'", "http.host", "without brackets"),
        ("[http]\nport = '8080'", "http.port", "whole number from 0 to 65535"),
        ("[http]\nport = true", "http.port", "got true"),
        ("[http]\nport = 65536", "http.port", "got 65536"),
        ("[http]\nallowed_hosts = 'a'", "http.allowed_hosts", "expected a list"),
        ("[http]\nallowed_hosts = [1]", "http.allowed_hosts", "got 1"),
        ("[http]\nroot_path = '/a/'", "http.root_path", "path such as"),
        ("[http]\nunix = ''", "http.unix", "expected a path"),
        ("[http]\nmax_body = -1", "http.max_body", "negative"),
        ("[sampler]\ninterval = '50ms'", "sampler.interval", "at least 100ms"),
        ("[sampler]\ninterval = '1w'", "sampler.interval", "the units of a duration are"),
        ("[sampler]\ninterval = 10\nhistory = 5", "sampler.interval", "must not be more than sampler.history"),
        ("[sampler]\nhistory = nan", "sampler.history", "finite"),
        ("[admission]\ncpu_threshold_percent = 0", "admission.cpu_threshold_percent", "above 0"),
        ("[admission]\ncpu_threshold_percent = 100.1", "admission.cpu_threshold_percent", "at most 100"),
        ("[admission]\ncpu_threshold_percent = nan", "admission.cpu_threshold_percent", "got nan"),
        ("[admission]\njob_slots = 0", "admission.job_slots", '"auto" or a whole number of at least 1'),
        ("[admission]\njob_slots = 'many'", "admission.job_slots", '"auto" or'),
        ("[admission]\nlease_ttl = '6m'", "admission.lease_ttl", "more than admission.max_lease_ttl"),
        ("[admission]\nbytes_per_job = 1.5", "admission.bytes_per_job", "expected a size"),
        ("[admission]\nbytes_per_job = 1979-05-27", "admission.bytes_per_job", "expected a size"),
        ("[cleanup]\nenabled = 1", "cleanup.enabled", "true or false"),
        ("[cleanup.temp-files]\nevery = 'yearly'", "cleanup.temp-files.every", "hourly, daily, weekly"),
        ("[cleanup.temp-files]\nevery = []", "cleanup.temp-files.every", "at least one"),
        ("[log]\nlevel = 'loud'", "log.level", "debug, info"),
        ('"a\\nb" = 1', "a\\nb", "unknown key"),
    ],
)
def test_a_bad_key_or_value_is_refused_with_its_path_and_the_file(
    write: Write, text: str, path: str, part: str
) -> None:
    file = write(text)
    error = refusal(file)
    assert error.path == path
    assert str(error).startswith(f"{path}: ")
    assert part in str(error)
    assert str(error).endswith(f"(from {file})")


@pytest.mark.parametrize(
    "key", ["alerts.cpu_percent", "sampler.history", "http.max_body", "http.port", "http.host"]
)
def test_an_integer_too_long_to_print_is_refused_like_any_other(write: Write, key: str) -> None:
    error = refusal(write(f"{key} = 0x1{'0' * 5000}"))
    assert error.path == key
    assert "a huge number" in str(error)


def test_a_syntax_error_names_the_line(write: Write) -> None:
    assert "line 2" in str(refusal(write("[http]\nport = = 1")))


@pytest.mark.parametrize(
    "content",
    [b"\xff = 1", b"a = 1\n# \xe9\n", b"a = " + b"[" * 5000, b"a = " + b"9" * 5000],
    ids=str.split("binary latin-1 deep long"),
)
def test_a_file_that_is_not_toml_at_all_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "aura.toml"
    file.write_bytes(content)
    assert str(file) in str(refusal(file))


def test_a_mark_that_says_utf_8_at_the_beginning_of_a_file_says_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "aura.toml"
    path.write_bytes(b"\xef\xbb\xbf[http]\nport = 5\n")
    assert load(path, {}, {}).http.port == 5


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    assert "No such file" in str(refusal(tmp_path / "none.toml"))
    assert "directory" in str(refusal(tmp_path))


# --- the environment ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AURA_CLEANUP__TEMP_FILES__OLDER_THAN", "AURA_cleanup__Temp-Files__older_than"])
def test_a_variable_names_a_key_in_any_case(name: str) -> None:
    assert load(None, {name: "48h"}, {}).cleanup.temp_files.older_than == 172_800


def test_only_names_with_two_underscores_are_settings() -> None:
    environ = {"AURA_URL": "x", "AURA_TOKEN": "y", "AURA_HTTP_PORT": "1", "AURA": "", "AURA_": "", "PATH": "__"}
    assert load(None, environ, {}) == Settings()


def test_a_key_outside_every_section_has_an_empty_one() -> None:
    assert load(None, {"AURA__DATA_DIR": "/srv/aura"}, {}).data_dir == Path("/srv/aura")


def test_a_variable_is_a_literal_where_that_fits_and_a_text_otherwise() -> None:
    settings = load(
        None,
        {
            "AURA_HTTP__PORT": "9000",
            "AURA_HTTP__TOKEN": "12345",
            "AURA_HTTP__ALLOWED_HOSTS": '["a.example", "b.example"]',
            "AURA_ADMISSION__MEMORY_LIMIT": "8GiB",
            "AURA_SAMPLER__INTERVAL": "0.5",
            "AURA_CLEANUP__ENABLED": "false",
            "AURA_ADMISSION__JOB_SLOTS": "auto",
            "AURA_LOG__FORMAT": '"json"',
        },
        {},
    )
    assert settings.http.port == 9000
    assert settings.http.token == Secret("12345")
    assert settings.http.allowed_hosts == ("a.example", "b.example")
    assert settings.admission.memory_limit == 8 * 1024**3
    assert settings.sampler.interval == 0.5
    assert settings.cleanup.enabled is False
    assert settings.log.format == "json"


@pytest.mark.parametrize(
    ("name", "value", "path", "part"),
    [
        ("AURA_ADMISSION__BYTES_PERJOB", "1", "admission.bytes_perjob", "did you mean bytes_per_job?"),
        ("AURA_ADMISSION__MAX_JOBS__X", "1", "admission.max_jobs", "unknown key"),
        ("AURA_HTTP__", "1", "http.", "unknown key"),
        ("AURA_NO__SUCH", "1", "no", "unknown key"),
        ("AURA_SOURCES__X", "1", "sources", "unknown key"),
        ("AURA_HTTP__PORT", "70000", "http.port", "got 70000"),
        ("AURA_HTTP__PORT", "1\nx = 2", "http.port", "whole number"),
        ("AURA_CLEANUP__ENABLED", "yes", "cleanup.enabled", "true or false"),
        ("AURA_PROVIDERS__OPENAI", "3", "providers.openai", "unknown key"),
        ("AURA_HTTP__HOST", "\udcff", "http.host", "host name"),
    ],
)
def test_a_bad_variable_is_refused_with_its_path_and_its_name(name: str, value: str, path: str, part: str) -> None:
    error = refusal(environ={name: value})
    assert error.path == path
    assert part in str(error)
    assert str(error).endswith(f"(from {name})")


def test_two_variables_for_one_key_are_refused() -> None:
    error = refusal(environ={"AURA_HTTP__PORT": "1", "AURA_http__port": "2"})
    assert "AURA_HTTP__PORT" in str(error)
    assert "AURA_http__port" in str(error)


def test_a_provider_in_the_environment_is_the_one_in_the_file_whatever_its_case(write: Write) -> None:
    file = write("[providers.Eleven-Labs]\nmax_concurrent = 2")
    settings = load(file, {"AURA_PROVIDERS__ELEVEN_LABS__MAX_CONCURRENT": "7"}, {})
    assert list(settings.providers.by_name) == ["Eleven-Labs"]
    assert settings.providers.max_concurrent("Eleven-Labs") == 7


def test_a_provider_only_in_the_environment_is_found_in_any_case() -> None:
    settings = load(None, {"AURA_PROVIDERS__OPENAI__MAX_CONCURRENT": "7"}, {})
    assert settings.providers.max_concurrent("OpenAI") == 7


def test_a_provider_has_rates_and_one_without_a_table_has_none(write: Write) -> None:
    text = "[providers.OpenAI]\nrequests_per_minute = 500\ntokens_per_minute = 2e5\nadaptive = true"
    settings = load(write(text), {"AURA_PROVIDERS__OPENAI__REQUESTS_PER_MINUTE": "0.5"}, {})
    openai = settings.providers.find("openai")
    assert (openai.requests_per_minute, openai.tokens_per_minute, openai.adaptive) == (0.5, 200_000, True)
    assert settings.providers.max_concurrent("OpenAI") == 5
    assert settings.providers.find("anybody") == Provider()


# --- order and options ----------------------------------------------------------------------------------


def test_options_win_over_the_environment_and_that_over_the_file(write: Write) -> None:
    file = write("[http]\nhost = '::1'\nport = 1\nmax_body = 10")
    environ = {"AURA_HTTP__PORT": "2", "AURA_HTTP__MAX_BODY": "20"}
    settings = load(file, environ, {"http.max_body": 30, "http.unix": None}, option_names={"http.max_body": "--x"})
    assert (settings.http.host, settings.http.port, settings.http.max_body) == ("::1", 2, 30)
    assert settings.sources["http.host"] == str(file)
    assert settings.sources["http.port"] == "AURA_HTTP__PORT"
    assert settings.sources["http.max_body"] == "--x"


def test_a_bad_option_is_refused_by_its_own_name() -> None:
    with pytest.raises(InvalidValue, match=r"^http\.port: .* got 70000 \(from --port\)$"):
        load(None, {}, {"http.port": 70_000}, option_names={"http.port": "--port"})
    with pytest.raises(InvalidValue, match=r"http\.prot: unknown key; did you mean port\?"):
        load(None, {}, {"http.prot": 1})


# --- secrets --------------------------------------------------------------------------------------------


def test_a_token_file_holds_the_token(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    settings = load(write(f"[http]\ntoken_file = '{tmp_path / 'token'}'"), {}, {})
    assert settings.http.token is not None
    assert settings.http.token.reveal() == "s3cret"


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\xff\xfe", None])
def test_a_token_file_without_a_usable_token_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    error = refusal(environ={"AURA_HTTP__TOKEN_FILE": str(file)})
    assert error.path == "http.token_file"
    assert "two words" not in str(error)


def test_token_and_token_file_together_are_refused(tmp_path: Path) -> None:
    error = refusal(environ={"AURA_HTTP__TOKEN": "s3cret", "AURA_HTTP__TOKEN_FILE": str(tmp_path / "t")})
    assert "not both" in str(error)
    assert "AURA_HTTP__TOKEN and AURA_HTTP__TOKEN_FILE" in str(error)


@pytest.mark.parametrize("token", ["", "s3cret word", "s3cret\n", "s3crét"])
def test_a_refused_token_is_not_repeated(token: str) -> None:
    error = refusal(environ={"AURA_HTTP__TOKEN": token})
    assert "s3c" not in str(error)


def test_no_repr_and_no_text_shows_the_token() -> None:
    settings = load(None, {"AURA_HTTP__TOKEN": "s3cret"}, {})
    for text in (repr(settings), str(settings), f"{settings.http.token}", to_toml(settings)):
        assert "s3cret" not in text
        assert "***" in text
    assert "s3cret" in to_toml(settings, hide_secrets=False)


# --- exposure -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_loopback_is_served_without_a_token(host: str) -> None:
    check_exposure(load(None, {}, {"http.host": host}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.1.example.org", "0"])
def test_anything_else_needs_a_token_and_the_refusal_says_what_to_do(host: str) -> None:
    with pytest.raises(UsageError, match=r"AURA_HTTP__TOKEN.*127\.0\.0\.1"):
        check_exposure(load(None, {}, {"http.host": host}))
    check_exposure(load(None, {"AURA_HTTP__TOKEN": "x"}, {"http.host": host}))


# --- showing --------------------------------------------------------------------------------------------


def test_what_is_shown_loads_again_to_the_same_settings(write: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    environ = {
        "AURA_PROVIDERS__Open.AI__MAX_CONCURRENT": "3",
        "AURA_PROVIDERS__Open.AI__TOKENS_PER_MINUTE": "0.1",
        "AURA_PROVIDERS__Other__ADAPTIVE": "true",
        "AURA_HTTP__TOKEN_FILE": str(tmp_path / "token"),
        "AURA_HTTP__UNIX": '/run/a "b"\\c\x7f☃.sock',
        "AURA_CLEANUP__TEMP_FILES__EXCLUDE": '["*.keep", "a/**"]',
        "AURA_CLEANUP__TEMP_FILES__MAX_SHARE": "0.25",
        "AURA_SAMPLER__INTERVAL": "0.1234567",
        "AURA_ADMISSION__JOB_SLOTS": "4",
    }
    settings = load(None, environ, {})
    again = load(write(to_toml(settings)), {}, {})
    assert msgspec.structs.replace(again, sources={}) == msgspec.structs.replace(settings, sources={})


def test_every_key_is_shown_with_its_source(write: Write) -> None:
    file = write("[admission]\nmax_jobs = 3")
    shown = to_toml(load(file, {"AURA_HTTP__PORT": "0"}, {}))
    assert f"max_jobs = 3  # {file}" in shown
    assert "port = 0  # AURA_HTTP__PORT" in shown
    assert 'bytes_per_job = "2GiB"  # default' in shown
    assert "# memory_limit is not set" in shown
    assert set(tomllib.loads(shown)) == {
        "data_dir", "http", "feed", "sampler", "threads", "admission", "providers", "alerts", "cleanup", "log",
    }  # fmt: skip


def test_a_hidden_token_is_not_loaded_as_the_token(write: Write) -> None:
    shown = to_toml(load(None, {"AURA_HTTP__TOKEN": "s3cret"}, {}))
    assert 'token = "***"' in shown
    assert load(write(shown), {}, {}).http.token is None
