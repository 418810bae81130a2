"""`sandbox serve`: parts of the sandbox in the foreground."""

import click

from sandbox.host import host_environment
from sandbox.settings import load_settings


@click.command(short_help="Run parts in the foreground, for containers and service managers.")
@click.argument("parts", nargs=-1, metavar="[PART]...")
def serve(parts: tuple[str, ...]) -> None:
    """Run the named parts, or all of them, in the foreground until SIGTERM.

    \b
    sandbox serve                     everything, as one container runs it
    sandbox serve aws envoy proxy     the local AWS alone
    sandbox serve delegate            one more delegate

    The parts are aws, envoy, proxy, harness, engine, delegate and git; those that run apart
    must share SANDBOX_HOME. What they say goes to standard output. On a laptop, `sandbox up`
    is what you want: it runs in the background and waits until all is ready.
    """
    from sandbox.serve import serve as become

    become(load_settings(), parts, host_environment())
