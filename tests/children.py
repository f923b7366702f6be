"""Processes of their own for tests of signals, limits and whole scripts, without the seconds that an import of torch takes.

A server imports torch, fastlr and the tests' helpers once; each child is forked from it. A child has nothing of the process
that runs the tests: neither its handlers of signals, nor its modules, nor its open files."""
import atexit, multiprocessing, os, runpy, signal, sys, tempfile, textwrap, traceback
from multiprocessing import forkserver
from pathlib import Path

TESTS = Path(__file__).parent
FORK = multiprocessing.get_context('forkserver')
FORK.set_forkserver_preload(['conftest', 'trainings'])


def _serve():
    "Start the server, if it doesn't run yet: it and its children find fastlr and the helpers by PYTHONPATH."
    before = {name: os.environ.get(name) for name in ('PYTHONPATH', 'OMP_NUM_THREADS')}
    os.environ.update(PYTHONPATH=os.pathsep.join([str(TESTS), str(TESTS.parent)]), OMP_NUM_THREADS='1')
    try: forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None: del os.environ[name]
            else: os.environ[name] = value


def _run(code, folder, out, err):
    "What a child does: run `code`, a text or the path of a script, as the main program."
    for path, fd in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY, 0o600), fd)
    os.chdir(folder)
    # Processes that a shell starts in the background ignore Ctrl-C, and so would all their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if isinstance(code, Path):
        sys.argv[:] = [str(code)]
        runpy.run_path(str(code), run_name='__main__')
    else:
        exec(compile(textwrap.dedent(code), '<code of a test>', 'exec'), {'__name__': '__main__'})


def _main(code, folder, out, err):
    status = 0
    try: _run(code, folder, out, err)
    except SystemExit as e: status = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    # As at the end of a program: what was registered runs, and what was printed arrives.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class Child:
    "A process that runs `code`: a text, or the `Path` of a script. It is killed when the block ends."

    def __init__(self, code, out=None):
        self.folder = tempfile.TemporaryDirectory(prefix='child-')
        self.out = Path(out or Path(self.folder.name)/'out')
        self.err = Path(self.folder.name)/'err'
        _serve()
        self.process = FORK.Process(target=_main, args=(code, os.getcwd(), str(self.out), str(self.err)))
        self.process.start()

    def __enter__(self): return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.join()
        self.folder.cleanup()

    @property
    def stdout(self): return self.out.read_text()

    @property
    def stderr(self): return self.err.read_text()

    def send_signal(self, number): os.kill(self.process.pid, number)

    def wait(self, timeout=300):
        "Its exit code, the negative number of a signal that ended it, or None where it still runs after `timeout` seconds."
        self.process.join(timeout)
        return self.process.exitcode


def run_python(code):
    "Run `code`, a text or the `Path` of a script, to its end; return what it printed."
    with Child(code) as child:
        status = child.wait()
        assert status == 0, f'exit code {status}\n{child.stderr[-2000:]}'
        return child.stdout
