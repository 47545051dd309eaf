"""Every setting with its kind, its limits and its default: the guide's constants, as keys.

A field has its TOML key's name; sizes are held in bytes, durations in seconds. The docstring of a field is its
documentation in `docs/reference/configuration.md`. Knows no file and no environment.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import platformdirs

from aura_actors.config.cleanup import Cleanup
from aura_actors.config.readers import (
    Choice,
    Duration,
    FilePath,
    Flag,
    ListOf,
    Network,
    Number,
    Size,
    Text,
    Token,
    Whole,
    WholeOr,
)
from aura_actors.config.secret import Secret
from aura_actors.config.section import Interval, Names, Percent, PerMinute, Section
from aura_actors.config.tokens import HttpToken, Tokens

PROVIDER_NAME = Text(r"(?!\.\.?\Z)[A-Za-z0-9._-]{1,64}", "a provider name of 1 to 64 letters, digits and ._-")


class Http(Section, frozen=True, kw_only=True):
    """`[http]`: where the one port is, and who may use it."""

    host: Annotated[str, Text(r"[!-Z^-~]+", "a host name or an address, without brackets")] = "127.0.0.1"
    port: Annotated[int, Whole(0, 65_535)] = 8080
    """0 picks a free port."""
    unix: Annotated[Path | None, FilePath()] = None
    """A unix socket that serves the same."""
    token: Annotated[Secret | None, Token()] = None
    """The bearer token for everything, whichever of `token` and `token_file` it came from."""
    token_file: Annotated[Path | None, FilePath()] = None
    """A file that holds the token."""
    tokens: Annotated[tuple[HttpToken, ...], Tokens()] = ()
    """Tables `[[http.tokens]]` with `name`, `scopes` (of read, admit, operate) and `token` or `token_file`."""
    tls_cert: Annotated[Path | None, FilePath()] = None
    """A certificate in PEM form, with the chain that leads to it: the port speaks TLS, the unix socket does not."""
    tls_key: Annotated[Path | None, FilePath()] = None
    """Its private key in PEM form, without a password."""
    trusted_proxies: Annotated[tuple[str, ...], ListOf(Network("unix"))] = ()
    """Addresses and networks whose X-Forwarded-For is believed; "unix" for whoever connects to the unix socket."""
    allowed_hosts: Names = ()
    """Host headers accepted besides the bound address and loopback's own names."""
    allowed_origins: Names = ()
    """Origins of other sites' pages that may call, such as `https://board.example`."""
    root_path: Annotated[str, Text(r"(/[!-~]*[!-.0-~])?", 'empty or a path such as "/aura"')] = ""
    """The path below which a reverse proxy publishes us."""
    max_body: Annotated[int, Size(1)] = 64 * 1024
    """The largest request body."""

    @property
    def scheme(self) -> str:
        """Of the addresses of the port."""
        return "http" if self.tls_cert is None else "https"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every token there is, the longest first: a log must show none of them, nor a part."""
        tokens = (self.token, *(each.token for each in self.tokens))
        return tuple(sorted((each.reveal() for each in tokens if each is not None), key=len, reverse=True))


class Feed(Section, frozen=True, kw_only=True):
    """`[feed]`: how many may listen."""

    max_clients: Annotated[int, Whole(1)] = 256
    """Clients at once; more are told to try later."""
    max_clients_per_address: Annotated[int, Whole(1)] = 64


class Intervals(Section, frozen=True, kw_only=True):
    """`[sampler.intervals]`: who is read less often than with every sample; never what admission decides by."""

    disk: Annotated[float | None, Duration(0.1)] = None
    """Such as "10s". None reads it with every sample, and so for the others."""
    network: Annotated[float | None, Duration(0.1)] = None
    pressure: Annotated[float | None, Duration(0.1)] = None
    process: Annotated[float | None, Duration(0.1)] = None

    @property
    def seconds_by_name(self) -> dict[str, float]:
        """Those that are set, in seconds."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class Sampler(Section, frozen=True, kw_only=True):
    """`[sampler]`: how often the machine is measured, and how long the readings are kept."""

    interval: Annotated[float, Duration(0.1)] = 1.0
    """Time between two samples."""
    history: Annotated[float, Duration(1.0)] = 900.0
    """How long samples are kept for `/api/metrics/history`, in memory."""
    intervals: Intervals = msgspec.field(default_factory=Intervals)


class Threads(Section, frozen=True, kw_only=True):
    """`[threads]`: the default pool of worker threads, which user code and libraries share."""

    adjust: Annotated[bool, Flag()] = True
    """Resize the pool by the processor's use."""
    per_core: Annotated[int, Whole(1, 1000)] = 4
    """Threads per core while the processor is calm."""
    per_core_busy: Annotated[int, Whole(1, 1000)] = 2
    """Threads per core while it is busy."""
    busy_percent: Percent = 80.0
    """Processor use above which it is busy; calm again 10 points below."""


class Unit(Section, frozen=True, kw_only=True):
    """`[admission.units.NAME]`: a dimension of your own, such as licences or decoders."""

    count: Annotated[int, Whole(0)] = 1
    """How many there are."""


class Units(Section, frozen=True, kw_only=True):
    """`[admission.units]`: dimensions that jobs ask for in `units`."""

    by_name: dict[str, Unit] = msgspec.field(default_factory=dict)


class Admission(Section, frozen=True, kw_only=True):
    """`[admission]`: how much of the machine jobs may take. 100 percent never denies."""

    bytes_per_job: Annotated[int, Size(1)] = 2 * 1024**3
    """What a job is taken to need when it does not say."""
    cpu_threshold_percent: Percent = 85.0
    """No job starts while the processor is busier than this, averaged over some seconds."""
    memory_threshold_percent: Percent = 80.0
    """Share of the memory that may be in use or promised at all."""
    gpu_threshold_percent: Percent = 90.0
    """No job goes on a GPU that is busier than this, averaged over some seconds."""
    gpu_memory_threshold_percent: Percent = 90.0
    """Share of a GPU's memory that may be in use or promised at all."""
    reserved_for_ui: Annotated[int, Size()] = 500 * 1000**2
    """Memory that no job gets, so that the machine stays usable; counts where the threshold leaves less."""
    job_slots: Annotated[int | Literal["auto"], WholeOr[int | Literal["auto"]]("auto", 1)] = "auto"
    """Jobs at once; "auto" is what memory (in `bytes_per_job`) and cores allow, from 1 to `max_jobs`."""
    max_jobs: Annotated[int, Whole(1)] = 10
    """The most that `job_slots = "auto"` comes to."""
    lease_ttl: Interval = 30.0
    """How long a lease lives without a renewal, unless the request says otherwise."""
    max_lease_ttl: Interval = 300.0
    """The longest that a request may ask for; more is shortened to this."""
    queue_limit: Annotated[int, Whole(0)] = 1024
    """Places in the queue; more are refused."""
    memory_limit: Annotated[int | None, Size(1)] = None
    """A budget for all jobs together; None leaves it to the machine."""
    scratch_path: Annotated[Path | None, FilePath()] = None
    """Where jobs keep scratch files: `scratchBytes` counts for its file system. None is the data directory."""
    scratch_threshold_percent: Percent = 90.0
    """Share of that file system that may be in use or promised at all."""
    units: Units = msgspec.field(default_factory=Units)


class Provider(Section, frozen=True, kw_only=True):
    """`[providers.NAME]`: one provider of paid calls."""

    max_concurrent: Annotated[int | None, Whole(1)] = None
    """Calls at once; None takes `providers.default_max_concurrent`."""
    requests_per_minute: PerMinute = None
    """Calls begun in a minute; None sets no limit."""
    tokens_per_minute: PerMinute = None
    """Tokens of all calls in a minute, as the callers estimate and then report them; None sets no limit."""
    adaptive: Annotated[bool, Flag()] = False
    """Lower `max_concurrent` when callers report 429, 503 or a timeout, and raise it again step by step."""


class Providers(Section, frozen=True, kw_only=True):
    """`[providers]`: slots at providers of paid calls; `by_name` has the names as they were first written."""

    default_max_concurrent: Annotated[int, Whole(1)] = 5
    """Slots at a provider that has no table `[providers.NAME]` with `max_concurrent` of its own."""
    by_name: dict[str, Provider] = msgspec.field(default_factory=dict)

    def find(self, name: str) -> Provider:
        """The table of one provider, or an empty one. Names match in any case: the environment has its own."""
        folded = name.casefold()
        return next((each for known, each in self.by_name.items() if known.casefold() == folded), Provider())

    def max_concurrent(self, name: str) -> int:
        """How many calls at once one provider takes: its own limit, else the default."""
        own = self.find(name).max_concurrent
        return self.default_max_concurrent if own is None else own


class Alerts(Section, frozen=True, kw_only=True):
    """`[alerts]`: the values above which something is reported."""

    cpu_percent: Percent = 90.0
    memory_percent: Percent = 85.0
    gpu_celsius: Annotated[float, Number(above=0, maximum=200)] = 85.0
    """Of the hottest device."""


class Log(Section, frozen=True, kw_only=True):
    """`[log]`: what is written to stderr, and how."""

    format: Annotated[str, Choice("console", "json")] = "console"
    level: Annotated[str, Choice("debug", "info", "warning", "error", "critical")] = "info"


def default_data_dir() -> Path:
    """The user's state folder for this program, as the platform has it."""
    return platformdirs.user_state_path("aura_actors", appauthor=False)


class Settings(Section, frozen=True, kw_only=True):
    """All of it. `Settings()` is every default."""

    data_dir: Annotated[Path, FilePath()] = msgspec.field(default_factory=default_data_dir)
    http: Http = msgspec.field(default_factory=Http)
    feed: Feed = msgspec.field(default_factory=Feed)
    sampler: Sampler = msgspec.field(default_factory=Sampler)
    threads: Threads = msgspec.field(default_factory=Threads)
    admission: Admission = msgspec.field(default_factory=Admission)
    providers: Providers = msgspec.field(default_factory=Providers)
    alerts: Alerts = msgspec.field(default_factory=Alerts)
    cleanup: Cleanup = msgspec.field(default_factory=Cleanup)
    log: Log = msgspec.field(default_factory=Log)
    sources: dict[str, str] = msgspec.field(default_factory=dict)
    """Dotted key to where its value was set; a key that is not here has its default. No setting itself."""
