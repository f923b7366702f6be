"""Start processes for tests of signals, limits and whole scripts, without waiting for an import of torch.

A server imports torch, fastlr and the tests' helpers once; each child is forked from it. Of the process that
runs the tests, a child has the working directory and the environment, as they are when it starts, and nothing
else: neither handlers of signals, nor modules, nor open files."""

import atexit, multiprocessing, os, runpy, signal, sys, tempfile, textwrap, traceback
from multiprocessing import forkserver
from pathlib import Path

TESTS = Path(__file__).parent
FORK = multiprocessing.get_context('forkserver')
FORK.set_forkserver_preload(['conftest', 'trainings'])


# Where the server and its children find fastlr and the helpers.
PATHS = dict(PYTHONPATH=os.pathsep.join([str(TESTS), str(TESTS.parent)]), OMP_NUM_THREADS='1')


def _serve():
    "Start the server, if it doesn't run yet."
    before = {name: os.environ.get(name) for name in PATHS}
    os.environ.update(PATHS)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _run(code, folder, environment, out, err):
    "Run `code`, a text or the path of a script, as the main program of a child."
    for path, fd in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY, 0o600), fd)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # Processes that a shell starts in the background ignore Ctrl-C, and so would all their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if isinstance(code, Path):
        sys.argv[:] = [str(code)]
        runpy.run_path(str(code), run_name='__main__')
    else:
        exec(compile(textwrap.dedent(code), '<code of a test>', 'exec'), {'__name__': '__main__'})


def _main(*args):
    status = 0
    try:
        _run(*args)
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    # As at the end of a program, run what was registered and flush what was printed.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class Child:
    "A process that runs `code`, a text or the `Path` of a script. It is killed when the block ends."

    def __init__(self, code, out=None):
        self.folder = tempfile.TemporaryDirectory(prefix='child-')
        self.out = Path(out or Path(self.folder.name) / 'out')
        self.err = Path(self.folder.name) / 'err'
        _serve()
        environment = {**os.environ, **PATHS}
        args = code, os.getcwd(), environment, str(self.out), str(self.err)
        self.process = FORK.Process(target=_main, args=args)
        self.process.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.join()
        self.folder.cleanup()

    @property
    def stdout(self):
        return self.out.read_text()

    @property
    def stderr(self):
        return self.err.read_text()

    def send_signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, timeout=300):
        "Return the exit code, or minus the number of the signal that ended it; None after `timeout` seconds."
        self.process.join(timeout)
        return self.process.exitcode


def run_python(code):
    "Run `code`, a text or the `Path` of a script, to its end. Return what it printed."
    with Child(code) as child:
        status = child.wait()
        assert status == 0, f'exit code {status}\n{child.stderr[-2000:]}'
        return child.stdout
