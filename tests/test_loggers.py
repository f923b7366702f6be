"""`curve.log_to`, with the real loggers: what they hold afterwards, and that steps and runs are as they were.

Loggers are imported in the tests, because some of them take seconds."""

import importlib, io, json, os, struct, subprocess, sys
from types import SimpleNamespace

import numpy as np
import pytest, torch
from PIL import Image

from fastlr.curve import LRCurve
from test_plot import curve, flat

# What the curve of these tests supports.
RATES = 'lr', 'one_cycle', 'cosine', 'linear', 'low', 'high'
CURVE = curve()
SUGGESTED = CURVE.suggest()


def events_of(folder):
    "Return what TensorBoard reads in `folder`."
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def series(events, tag):
    return [e.step for e in events.Scalars(tag)], [e.value for e in events.Scalars(tag)]


def text(events, tag):
    return events.Tensors(f'{tag}/text_summary')[0].tensor_proto.string_val[0].decode()


def check_events(events, name='lr_find'):
    "Check that TensorBoard has the whole of `CURVE`, under `name`."
    lrs, losses = CURVE.aligned()
    for key, values in dict(lr=lrs, loss=losses, smoothed_loss=CURVE.view.z).items():
        steps, logged = series(events, f'{name}/{key}')
        assert steps == list(range(len(lrs))) and np.allclose(logged, values)
    for key in RATES:
        assert np.allclose(series(events, f'{name}/suggestion/{key}')[1], [getattr(SUGGESTED, key)])
    said = text(events, f'{name}/suggestion')
    assert f'Suggested lr: {SUGGESTED:.2E} (range ' in said and f'Reason: {SUGGESTED.reason}' in said
    check_picture(io.BytesIO(events.Images(f'{name}/picture')[0].encoded_image_string))


def check_picture(file):
    "Check that `file` is a picture with the blue line and the green mark of the plot."
    pixels = np.asarray(Image.open(file).convert('RGB')).astype(int)
    assert pixels.shape == (400, 640, 3)
    for color in ((31, 119, 180), (44, 160, 44)):
        assert (np.abs(pixels - color).max(2) < 8).sum() > 20


@pytest.mark.parametrize('package', ['torch.utils.tensorboard', 'tensorboardX'])
def test_tensorboard(package, tmp_path):
    with importlib.import_module(package).SummaryWriter(str(tmp_path)) as writer:
        CURVE.log_to(writer)
        CURVE.log_to(writer, name='unfrozen/again')
        writer.add_scalar('train/loss', 1.0, 0)
    events = events_of(tmp_path)
    check_events(events)
    check_events(events, 'unfrozen/again')
    assert series(events, 'train/loss') == ([0], [1.0])


def test_a_curve_without_a_suggestion_is_logged_with_the_reason(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        flat().log_to(writer)
    events = events_of(tmp_path)
    assert sorted(events.Tags()['scalars']) == ['lr_find/loss', 'lr_find/lr', 'lr_find/smoothed_loss']
    assert 'No learning rate is suggested: The loss does not fall' in text(events, 'lr_find/suggestion')


def records(folder):
    "Give the records that W&B has stored in `folder`, which has the format of LevelDB's logs."
    from wandb.proto import wandb_internal_pb2

    data = next(folder.rglob('*.wandb')).read_bytes()
    place, parts = 7, b''
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        _, n, kind = struct.unpack('<IHB', data[place : place + 7])
        # The rest of a block may be too short for a record, or empty.
        if left < 7 or kind == 0:
            place += left
            continue
        parts += data[place + 7 : place + 7 + n]
        place += 7 + n
        # A whole record, or the last part of one.
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b''
            yield record


def plain(items):
    return {'.'.join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}


@pytest.fixture
def wandb(tmp_path, monkeypatch):
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_SILENT', 'true')
    import wandb

    yield wandb
    wandb.teardown()


def test_wandb_keeps_its_step(wandb, tmp_path):
    "Also where the training counts by itself, and logs earlier steps than a hundred."
    from lightning.pytorch.loggers import WandbLogger

    options = wandb.Settings(x_disable_stats=True, console='off')
    with pytest.raises(ValueError, match=r'wandb has no run yet: call wandb.init\(\) first'):
        CURVE.log_to(wandb)
    run = wandb.init(project='p', dir=tmp_path, settings=options)
    run.log({'early': 1.0}, step=5)
    step = run.step
    CURVE.log_to(run)
    CURVE.log_to([wandb], name='module')
    CURVE.log_to(WandbLogger(experiment=run), name='lightning')
    assert run.step == step == 5
    run.log({'late': 2.0}, step=5)
    run.log({'later': 3.0}, step=6)
    run.finish()
    # Now all has been written.
    wandb.teardown()
    found = list(records(tmp_path))
    rows = [plain(r.history.item) for r in found if r.WhichOneof('record_type') == 'history']
    assert [row['_step'] for row in rows] == [5, 6]
    assert rows[0]['early'] == 1 and rows[0]['late'] == 2 and rows[1]['later'] == 3
    summary = {}
    for record in found:
        if record.WhichOneof('record_type') == 'summary':
            summary.update(plain(record.summary.update))
    files = next(tmp_path.rglob('media')).parent
    for name in ('lr_find', 'module', 'lightning'):
        for key in RATES:
            assert summary[f'{name}/suggestion/{key}'] == getattr(SUGGESTED, key)
        assert f'Suggested lr: {SUGGESTED:.2E}' in summary[f'{name}/suggestion/text']
        check_picture(files / rows[0][f'{name}/picture.path'])
        points = json.loads((files / rows[0][f'{name}/points.path']).read_text())
        assert points['columns'] == ['lr', 'loss', 'smoothed_loss']
        assert np.allclose(points['data'], np.transpose([*CURVE.aligned(), CURVE.view.z]))
    check_chart(json.loads((files / rows[0]['lr_find/curve_table.path']).read_text()))


def check_chart(table):
    "Check the two lines of the chart: over log10 of the rate, and without the losses that would flatten it."
    lrs, losses = CURVE.aligned()
    lines = {name: [(x, y) for x, line, y in table['data'] if line == name] for _, name, _ in table['data']}
    assert list(lines) == ['loss', 'smoothed loss']
    x, y = np.transpose(lines['loss'])
    assert 50 < len(x) <= len(lrs)
    assert np.allclose(x, np.log10(lrs[: len(x)])) and np.allclose(y, losses[: len(y)])


def test_a_trainer_of_transformers_goes_on_with_the_run(wandb, tmp_path, monkeypatch):
    "As the documentation says: `wandb.init`, `log_to`, and then `train` with `report_to='wandb'`."
    from test_transformers import make

    monkeypatch.chdir(tmp_path)
    trainer = make(tmp_path / 'out', report_to=['wandb'], logging_steps=1, max_steps=3)
    run = wandb.init(project='p', dir=tmp_path, settings=wandb.Settings(x_disable_stats=True, console='off'))
    CURVE.log_to(wandb)
    trainer.train()
    assert wandb.run is run
    run.finish()
    wandb.teardown()
    rows = [plain(r.history.item) for r in records(tmp_path) if r.WhichOneof('record_type') == 'history']
    steps = [row['train/global_step'] for row in rows if 'train/loss' in row]
    assert steps == [1, 2, 3] and [row['_step'] for row in rows][:3] == [0, 1, 2]
    assert 'lr_find/picture.path' in rows[0]


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')
    # Telemetry would look for the network.
    monkeypatch.setenv('MLFLOW_DISABLE_TELEMETRY', 'true')
    monkeypatch.setenv('MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR', 'false')
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f'file:{tmp_path}/mlruns')
    yield mlflow
    mlflow.set_tracking_uri(f'file:{tmp_path}/mlruns')
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


def check_run(client, run_id, name='lr_find'):
    "Check that the run of MLflow has the whole of `CURVE`, under `name`."
    lrs, losses = CURVE.aligned()
    for key, values in dict(lr=lrs, loss=losses, smoothed_loss=CURVE.view.z).items():
        logged = sorted((m.step, m.value) for m in client.get_metric_history(run_id, f'{name}/{key}'))
        assert [step for step, _ in logged] == list(range(len(lrs)))
        assert np.allclose([value for _, value in logged], values)
    metrics = client.get_run(run_id).data.metrics
    assert all(metrics[f'{name}/suggestion/{key}'] == getattr(SUGGESTED, key) for key in RATES)
    paths = [a.path for a in client.list_artifacts(run_id, name)]
    assert set(paths) == {f'{name}/{file}' for file in ('picture.png', 'suggestion.txt', 'curve.json')}
    artifacts = {path: client.download_artifacts(run_id, path) for path in paths}
    check_picture(artifacts[f'{name}/picture.png'])
    again = LRCurve.load(artifacts[f'{name}/curve.json'])
    assert np.array_equal(again.losses, CURVE.losses) and again.stop_reason == CURVE.stop_reason


def test_mlflow_run_stays_active(mlflow, tmp_path):
    from lightning.pytorch.loggers import MLFlowLogger

    client = mlflow.MlflowClient()
    for logger in (mlflow, client):
        with pytest.raises(ValueError, match='MLflow has no active run: call mlflow.start_run'):
            CURVE.log_to(logger)
    run = mlflow.start_run()
    mlflow.log_metric('train/loss', 1.0, step=3)
    CURVE.log_to([mlflow])
    CURVE.log_to(client, name='client')
    CURVE.log_to(mlflow.get_run(run.info.run_id), name='run')
    assert mlflow.active_run().info.run_id == run.info.run_id and mlflow.active_run().info.status == 'RUNNING'
    mlflow.log_metric('train/loss', 2.0, step=4)
    for name in ('lr_find', 'client', 'run'):
        check_run(client, run.info.run_id, name)
    assert [m.step for m in client.get_metric_history(run.info.run_id, 'train/loss')] == [3, 4]
    assert client.get_run(run.info.run_id).data.params == {}
    # More numbers than MLflow takes at a time.
    long = curve(n=500, high=np.inf)
    long.log_to(run, name='long')
    assert len(client.get_metric_history(run.info.run_id, 'long/smoothed_loss')) == len(long) - 1
    # A logger of Lightning has a run of its own, here in another store.
    own = MLFlowLogger(tracking_uri=f'file:{tmp_path}/own')
    CURVE.log_to(own)
    assert own.run_id != run.info.run_id
    check_run(own.experiment, own.run_id)


def lightning_fit(folder, log):
    "Look for a rate and train with the loggers of Lightning in `folder`. Return the trainer and the curve."
    import lightning.pytorch as pl
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    from fastlr.integrations.lightning import lr_find

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(6, 3)

        def training_step(self, batch, _):
            loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
            self.log('loss', loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    from conftest import problem

    torch.manual_seed(0)
    module, data = Module(), torch.utils.data.DataLoader(problem(), 16)
    loggers = [CSVLogger(folder, 'csv'), TensorBoardLogger(folder, 'board')]
    trainer = pl.Trainer(
        accelerator='cpu',
        max_epochs=2,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=loggers,
    )
    found = lr_find(trainer, module, data, num_training=20, probe=False, silent=True)
    if log:
        found.curve.log_to(trainer.loggers)
        found.curve.log_to(trainer.logger, name='more/again')
    trainer.fit(module, data)
    return trainer, found.curve


@pytest.mark.filterwarnings('ignore::UserWarning')
def test_lightning_logs_what_it_would_have_logged(tmp_path):
    trainer, found = lightning_fit(tmp_path / 'with', log=True)
    without, _ = lightning_fit(tmp_path / 'without', log=False)
    folders = [trainer.loggers[0].log_dir, without.loggers[0].log_dir]
    assert [os.path.relpath(f, tmp_path) for f in folders] == ['with/csv/version_0', 'without/csv/version_0']
    rows, others = (open(f'{folder}/metrics.csv').read() for folder in folders)
    assert rows == others and rows.count('\n') > 10
    for name in ('lr_find', 'more/again'):
        again = LRCurve.load(f'{folders[0]}/{name}.csv')
        assert np.array_equal(again.losses, found.losses)
        assert Image.open(f'{folders[0]}/{name}.png').size == (640, 400)
        assert open(f'{folders[0]}/{name}.txt').read().strip()
    events, plain_events = (events_of(t.loggers[1].log_dir) for t in (trainer, without))
    assert series(events, 'loss') == series(plain_events, 'loss')
    assert np.allclose(series(events, 'lr_find/lr')[1], found.aligned()[0])
    assert not [t for t in plain_events.Tags()['scalars'] if 'lr_find' in t]


def test_other_processes_of_lightning_log_nothing(tmp_path, monkeypatch):
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
    from lightning.pytorch.utilities import rank_zero_only

    monkeypatch.setattr(rank_zero_only, 'rank', 1)
    CURVE.log_to([CSVLogger(tmp_path), TensorBoardLogger(tmp_path)])
    assert not list(tmp_path.rglob('*.*'))


def test_trackers_of_accelerate(mlflow, tmp_path, monkeypatch):
    from accelerate import Accelerator, PartialState

    accelerator = Accelerator(cpu=True, log_with=['tensorboard', 'mlflow'], project_dir=tmp_path / 'logs')
    accelerator.init_trackers('project')
    CURVE.log_to(accelerator.trackers)
    accelerator.log({'train/loss': 1.0}, step=0)
    CURVE.log_to(accelerator.get_tracker('tensorboard'), name='one')
    run_id = mlflow.active_run().info.run_id
    with monkeypatch.context() as m:
        m.setattr(PartialState, 'is_main_process', property(lambda self: False))
        CURVE.log_to(accelerator.trackers, name='elsewhere')
    accelerator.end_training()
    check_run(mlflow.MlflowClient(), run_id)
    events = events_of(tmp_path / 'logs' / 'project')
    check_events(events)
    check_events(events, 'one')
    assert series(events, 'train/loss') == ([0], [1.0])
    assert not [t for t in events.Tags()['scalars'] if 'elsewhere' in t]


@pytest.mark.parametrize('wrong', [None, SimpleNamespace(add_scalar=print), torch])
def test_what_is_no_logger_is_refused_before_anything_is_logged(wrong, tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(TypeError, match='^log_to: logger must be a SummaryWriter of TensorBoard, a run'):
            CURVE.log_to([writer, wrong])
        with pytest.raises(TypeError, match='; got <class .*SummaryWriter'):
            CURVE.log_to(SummaryWriter)
        with pytest.raises(TypeError, match='log_to: name must be a text, got 3'):
            CURVE.log_to(writer, name=3)
        with pytest.raises(ValueError, match='^log_to: the curve has fewer than two points to draw: '):
            CURVE.trim(0, len(CURVE) - 2).log_to(writer)
    assert not events_of(tmp_path).Tags()['scalars']
    CURVE.log_to([])


def test_a_curve_logs_without_torch_and_without_importing_a_logger():
    code = (
        "import sys; from fastlr.curve import LRCurve\n"
        "try: LRCurve([.1, .2, .3], [3., 2., 1.]).log_to(print)\n"
        "except TypeError: print(*{'torch', 'wandb', 'mlflow', 'tensorboard'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '\n'
