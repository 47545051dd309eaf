"""Who may talk to us."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.edges.access import Access, Refusal, is_open, judge, judge_names, lacks
from aura_actors.edges.tokens import STRANGER, TRUSTED, Credential, Standing, authenticate

LOCAL = Access(bound_hosts=("127.0.0.1",))
WILD = Access(bound_hosts=("0.0.0.0",), token="secret", machine_name="Box.lan")
BEARER = (b"authorization", b"Bearer secret")


def status(access: Access, *headers: tuple[bytes, bytes], path: str = "/api/actors", scheme: str = "http") -> int:
    """The refusal's status, or 200."""
    judged = judge(access, path=path, headers=headers, scheme=scheme)
    return judged.status if isinstance(judged, Refusal) else 200


def host(access: Access, value: bytes) -> int:
    """The status for one Host header."""
    return status(access, (b"Host", value), BEARER)


@pytest.mark.parametrize(
    "value",
    [
        b"localhost",
        b"LOCALHOST:8080",
        b"localhost.",
        b"127.0.0.1",
        b"127.1.2.3:9",
        b"[::1]",
        b"[::1]:8080",
        b"[0:0:0:0:0:0:0:1]",
        b"[::ffff:127.0.0.1]",
        b" localhost ",
        b"localhost:",
    ],
)
def test_loopback_names_are_ours_at_any_port(value: bytes) -> None:
    """Ports are ignored, because forwarding changes them."""
    assert host(LOCAL, value) == 200
    assert host(WILD, value) == 200


@pytest.mark.parametrize(
    "value",
    [
        b"evil.example",
        b"localhost.evil.example",
        b"127.0.0.1.evil.example",
        b"192.168.1.4",
        b"[2001:db8::1]",
        b"0.0.0.0",
        b"127.1",
        b"2130706433",
        b"0x7f.0.0.1",
        b"box.lan",
        b"xn--lcalhost-54a",
    ],
)
def test_a_foreign_name_is_misdirected_on_a_loopback_bind(value: bytes) -> None:
    """A page of evil.example whose name was rebound to 127.0.0.1 sends its own name."""
    assert host(LOCAL, value) == 421


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"user@localhost",
        b"localhost@evil.example",
        b"localhost/",
        b"localhost:port",
        b"localhost:99999",
        b"localhost:1:2",
        b"local host",
        b"localhost, evil.example",
        b"[::1",
        b"::1",
        b"[localhost]",
        b"[fe80::1%25eth0]",
        b"l\xc3\xb6calhost",
        b"localhost\x00",
        b"localhost\n",
        b"http://localhost",
        b"[::1]]",
        b"[:::1]",
    ],
)
def test_a_malformed_host_is_refused(value: bytes) -> None:
    """Also where it contains a good one."""
    assert host(LOCAL, value) in {400, 421}
    assert host(WILD, value) in {400, 421}


def test_one_host_header_is_needed_exactly() -> None:
    """None, or two that may be read differently by two programs, are refused."""
    assert status(LOCAL) == 400
    assert status(LOCAL, (b"host", b"localhost"), (b"Host", b"localhost")) == 400


def test_the_bound_name_and_the_allowed_ones_are_ours() -> None:
    """Also with a port in the configuration, and on a unix socket, which has no bound host."""
    named = Access(bound_hosts=("Studio.lan",), allowed_hosts=("aura.example:8443", "[2001:db8::7]"))
    assert [host(named, h) for h in (b"studio.lan:80", b"aura.example", b"[2001:db8:0::7]", b"x.lan")] == [
        200
    ] * 3 + [421]
    unix = Access(bound_hosts=(), allowed_hosts=("aura.example",))
    assert [host(unix, h) for h in (b"localhost", b"aura.example", b"studio.lan")] == [200, 200, 421]


def test_a_bound_address_is_ours_and_no_other() -> None:
    """A listener on one address does not answer for its neighbour."""
    one = Access(bound_hosts=("192.168.1.4",))
    assert [host(one, h) for h in (b"192.168.1.4:8080", b"192.168.1.5", b"localhost")] == [200, 421, 200]


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", ""])
def test_a_wildcard_bind_answers_for_any_address_and_its_own_name(bound: str) -> None:
    """An address cannot be rebound; a name can, so only the machine's own counts."""
    wild = msgspec.structs.replace(WILD, bound_hosts=(bound,))
    assert [host(wild, h) for h in (b"10.0.0.9", b"[2001:db8::1]:1", b"box.LAN:80", b"evil.example")] == [
        200,
        200,
        200,
        421,
    ]


@pytest.mark.parametrize(
    ("origin", "at", "scheme", "expected"),
    [
        (b"http://localhost:8080", b"localhost:8080", "http", 200),
        (b"HTTP://LOCALHOST", b"localhost", "http", 200),
        (b"http://localhost:80", b"localhost", "http", 200),
        (b"https://localhost", b"localhost:443", "https", 200),
        (b"http://[::1]:8080", b"[::1]:8080", "http", 200),
        (b"http://localhost:3000", b"localhost:8080", "http", 403),
        (b"http://127.0.0.1:8080", b"localhost:8080", "http", 403),
        (b"https://localhost:8080", b"localhost:8080", "http", 403),
        (b"http://evil.example", b"localhost", "http", 403),
        (b"null", b"localhost", "http", 403),
        (b"", b"localhost", "http", 403),
        (b"http://localhost/", b"localhost", "http", 403),
        (b"http://localhost@evil.example", b"localhost", "http", 403),
        (b"http://localhost http://evil.example", b"localhost", "http", 403),
        (b"localhost", b"localhost", "http", 403),
        (b"https://studio.example", b"localhost", "http", 200),
        (b"https://studio.example:443", b"localhost", "http", 200),
        (b"https://studio.example:444", b"localhost", "http", 403),
    ],
)
def test_an_origin_is_the_page_we_served_or_an_allowed_one(
    origin: bytes, at: bytes, scheme: str, expected: int
) -> None:
    """Scheme, name and port all count."""
    access = Access(allowed_origins=("https://studio.example",))
    assert status(access, (b"Host", at), (b"Origin", origin), scheme=scheme) == expected


def test_two_origins_are_refused() -> None:
    """Whichever of them is ours."""
    ours = (b"origin", b"http://localhost")
    assert status(LOCAL, (b"host", b"localhost"), ours, ours) == 403


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Bearer secret", 200),
        (b"bearer   secret", 200),
        (b"BEARER secret", 200),
        (b"Bearer secre", 401),
        (b"Bearer secrets", 401),
        (b"Bearer SECRET", 401),
        (b"Bearer", 401),
        (b"Bearer ", 401),
        (b"Bearersecret", 401),
        (b"Basic secret", 401),
        (b"secret", 401),
        (b"Bearer secret secret", 401),
        (b"Bearer\tsecret", 401),
        (b"Bearer s\xffcret", 401),
        (b"", 401),
    ],
)
def test_a_token_is_shown_as_bearer_credentials(value: bytes, expected: int) -> None:
    """The scheme in any case, the token exactly."""
    assert status(WILD, (b"host", b"localhost"), (b"Authorization", value)) == expected


def test_a_missing_or_doubled_token_is_unauthorized_and_says_how() -> None:
    """401 carries WWW-Authenticate."""
    at = (b"host", b"localhost")
    assert status(WILD, at, BEARER, BEARER) == 401
    refusal = judge(WILD, path="/api/actors", headers=[at])
    assert isinstance(refusal, Refusal)
    assert (refusal.status, dict(refusal.headers)["WWW-Authenticate"]) == (401, 'Bearer realm="aura-actors"')


def test_without_a_configured_token_none_is_asked_for() -> None:
    """A wrong one does no harm."""
    assert status(LOCAL, (b"host", b"localhost"), (b"authorization", b"Bearer what")) == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", True),
        ("/health/live", True),
        ("/static/app.js", True),
        ("/health", False),
        ("/staticky", False),
        ("/feed", False),
        ("/api/actors", False),
        ("", False),
        ("//", False),
        ("/openapi.json", False),
        ("/api/health/live", False),
    ],
)
def test_only_the_page_its_files_and_health_are_open(path: str, expected: bool) -> None:
    """The same below a root path, and nothing beside it."""
    assert is_open(WILD, path) is expected
    rooted = msgspec.structs.replace(WILD, root_path="/aura")
    assert is_open(rooted, f"/aura{path}") is expected
    assert not is_open(rooted, path)


def test_a_root_path_without_its_slash_leads_to_the_page() -> None:
    """What `serve` prints is opened in a browser; without a token too, but not under a foreign name."""
    rooted = msgspec.structs.replace(WILD, root_path="/aura")
    judged = judge(rooted, path="/aura", headers=[(b"host", b"localhost")])
    assert isinstance(judged, Refusal)
    assert (judged.status, judged.headers) == (308, (("Location", "/aura/"),))
    assert status(rooted, (b"host", b"evil.example"), path="/aura") == 421
    assert status(WILD, (b"host", b"localhost"), path="") == 401


def test_an_open_path_still_needs_our_name() -> None:
    """The page must not be framed by a rebound name."""
    assert status(WILD, (b"host", b"evil.example"), path="/") == 421
    assert status(WILD, (b"host", b"localhost"), path="/") == 200


def test_a_browser_shows_its_token_as_a_subprotocol() -> None:
    """One such protocol, and no credentials that say otherwise."""
    assert authenticate(WILD.accepted, headers=[], subprotocols=["aura.v1", "bearer.secret"]) == TRUSTED
    for shown in (["aura.v1"], ["bearer.wrong"], ["bearer.secret", "bearer.wrong"]):
        assert authenticate(WILD.accepted, headers=[], subprotocols=shown) is None
    wrong = [(b"authorization", b"Bearer wrong")]
    assert authenticate(WILD.accepted, headers=wrong, subprotocols=["bearer.secret"]) is None


@pytest.mark.parametrize(
    ("shown", "opens"),
    [
        ("bearer64.cTgzdi9abTl2K0E9PQ", True),  # q83v/Zm9v+A==, as `openssl rand -base64` makes them
        ("bearer64.cTgzdi9abTl2K0E9PQ==", True),
        ("bearer64.d3Jvbmc", False),
        ("bearer64.", False),
        ("bearer64.A", False),
        ("bearer64.#", False),
        ("bearer64.q83v/Zm9v+A==", False),
    ],
)
def test_a_token_with_characters_that_no_subprotocol_has_comes_encoded(shown: str, opens: bool) -> None:
    accepted = (Credential(token="q83v/Zm9v+A=="),)
    standing = authenticate(accepted, headers=[], subprotocols=["aura.v1", shown])
    assert standing == (TRUSTED if opens else None)


def test_the_tokens_are_not_in_the_repr() -> None:
    """Neither in rich's."""
    access = msgspec.structs.replace(WILD, credentials=(Credential(name="ci", token="secret2"),))
    for shown in (access, access.accepted, access.__rich_repr__(), access.credentials[0].__rich_repr__()):
        assert "secret" not in repr(shown)


NAMED = Access(
    token="secret",
    credentials=(
        Credential(name="board", token="b", scopes=frozenset({"read"})),
        Credential(name="ci", token="c", scopes=frozenset({"read", "admit"})),
    ),
)


@pytest.mark.parametrize(
    ("shown", "name", "scopes"),
    [(b"secret", None, {"read", "admit", "operate"}), (b"b", "board", {"read"}), (b"c", "ci", {"read", "admit"})],
)
def test_each_token_opens_what_it_is_for_under_its_name(shown: bytes, name: str | None, scopes: set[str]) -> None:
    headers = [(b"host", b"localhost"), (b"authorization", b"Bearer " + shown)]
    standing = judge(NAMED, path="/api/actors", headers=headers)
    assert isinstance(standing, Standing)
    assert (standing.token_name, set(standing.scopes)) == (name, scopes)


def test_every_token_is_compared_whichever_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that it takes does not say how far down the list a token is."""
    compared: list[bytes] = []

    def compare(shown: bytes, known: bytes) -> bool:
        compared.append(known)
        return shown == known

    monkeypatch.setattr("aura_actors.edges.tokens.hmac.compare_digest", compare)
    for shown in (b"secret", b"b", b"c", b"wrong"):
        compared.clear()
        authenticate(NAMED.accepted, headers=[(b"authorization", b"Bearer " + shown)])
        assert compared == [b"secret", b"b", b"c"]


def test_named_tokens_alone_ask_for_one() -> None:
    only = msgspec.structs.replace(NAMED, token=None)
    assert status(only, (b"host", b"localhost")) == 401
    assert status(only, (b"host", b"localhost"), BEARER) == 401
    assert status(only, (b"host", b"localhost"), (b"authorization", b"Bearer c")) == 200


def test_an_open_path_needs_no_token_and_opens_nothing_else() -> None:
    assert judge(NAMED, path="/health/live", headers=[(b"host", b"localhost")]) == STRANGER
    assert STRANGER.scopes == frozenset()


def test_a_missing_scope_is_forbidden_and_named() -> None:
    refusal = lacks("operate")
    assert (refusal.status, "operate" in refusal.detail) == (403, True)
    assert 'error="insufficient_scope", scope="operate"' in dict(refusal.headers)["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("bound", "expected"),
    [(("127.0.0.1", "::1", "localhost"), True), ((), True), (("0.0.0.0",), False), (("127.0.0.1", "box"), False)],
)
def test_loopback_only_means_every_bound_address(bound: tuple[str, ...], expected: bool) -> None:
    """A unix socket alone counts as local."""
    assert Access(bound_hosts=bound).loopback_only is expected


@given(
    st.lists(
        st.tuples(st.sampled_from([b"host", b"Origin", b"AUTHORIZATION", b"x"]), st.binary(max_size=40)), max_size=5
    )
)
def test_any_headers_get_an_answer(headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever the bytes, the judgement is a refusal or none, never an exception."""
    refusal = judge(WILD, path="/api", headers=headers)
    assert isinstance(refusal, Refusal)
    assert refusal.status in {400, 401, 403, 421}
    assert judge_names(LOCAL, headers=[(b"host", b"localhost")]) is None
