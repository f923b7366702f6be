"""A fastai v2 Learner and our lr_find: real learners of several applications; nothing of them may change.

The data is made here, or ships with scikit-learn."""

import inspect, os, random, re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest, torch
from torch import nn
from torch.amp import GradScaler, autocast
from torch.utils.data import DataLoader, TensorDataset

pytest.importorskip('fastai')
from fastai.callback import schedule
from fastai.callback.all import (
    CSVLogger,
    EarlyStoppingCallback,
    GradientAccumulation,
    GradientClip,
    MixedPrecision,
    MixUp,
    ParamScheduler,
    ProgressCallback,
    SaveModelCallback,
    SchedCos,
    ShortEpochCallback,
    TerminateOnNaNCallback,
)
from fastai.collab import CollabDataLoaders, collab_learner
from fastai.learner import (
    Callback,
    CancelBatchException,
    CancelFitException,
    DataLoaders,
    Learner,
    params,
)
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import Perplexity, accuracy
from fastai.optimizer import SGD, Adam, OptimWrapper, ranger
from fastai.torch_core import set_seed
from fastai.tabular.all import Categorify, Normalize, TabularDataLoaders, pd, tabular_learner
from fastai.text.all import (
    AWD_LSTM,
    Categorize,
    Datasets,
    LMDataLoader,
    Numericalize,
    SortedDL,
    awd_lstm_clas_config,
    awd_lstm_lm_config,
    language_model_learner,
    pad_input_chunk,
    text_classifier_learner,
)

from fastlr import Learner as OurLearner
from fastlr import LRCurve, NoSuggestion, NotRestored, find_lr
from fastlr.integrations.fastai import SuggestedLRs, lr_find

pytestmark = pytest.mark.filterwarnings('ignore')
QUIET = dict(show_plot=False, silent=True)
QUICK = dict(QUIET, num_it=12, stop_div=False, probe=False)


def seed():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def quiet(learn):
    return learn.remove_cbs(ProgressCallback)


def two_groups(model):
    first, *rest = list(model.children())
    return [params(first), [p for m in rest for p in params(m)]]


def tabular(path='.', num_workers=0, **kw):
    "Return a learner of rows with a category and three numbers, of which a class can be told."
    seed()
    df = pd.DataFrame(np.random.randn(96, 3), columns=list('abc')).assign(kind=list('uvw') * 32)
    df['label'] = np.where(df.a + (df.kind == 'u') > 0.3, 'yes', 'no')
    procs = [Categorify, Normalize]
    names = dict(y_names='label', cat_names=['kind'], cont_names=list('abc'))
    dls = TabularDataLoaders.from_df(
        df, procs=procs, valid_idx=range(0, 96, 6), bs=16, path=path, num_workers=num_workers, **names
    )
    return quiet(tabular_learner(dls, layers=[16], **{'metrics': accuracy, **kw}))


def sentences(n=60):
    "Return lists of words, and for each whether a word of one kind is in it."
    words = [f'w{i}' for i in range(12)]
    rows = [random.choices(words, k=random.randint(5, 14)) for _ in range(n)]
    return [[row, 'yes' if 'w3' in row else 'no'] for row in rows]


SMALL = dict(emb_sz=8, n_hid=12, n_layers=2)


def words_of(row):
    return row[0]


def label_of(row):
    return row[1]


def classifier(**kw):
    seed()
    tfms = [[words_of, Numericalize(min_freq=1)], [label_of, Categorize()]]
    data = Datasets(sentences(), tfms, splits=(range(48), range(48, 60)), dl_type=SortedDL)
    chunks = partial(pad_input_chunk, seq_len=6)
    dls = data.dataloaders(bs=8, before_batch=chunks, dl_kwargs=[{}, dict(val_res=[1] * 12)])
    config = {**awd_lstm_clas_config, **SMALL}
    options = dict(config=config, pretrained=False, seq_len=6, metrics=accuracy)
    return quiet(text_classifier_learner(dls, AWD_LSTM, **options, **kw))


def language(**kw):
    "Return a language model, whose callbacks regularize and reset it."
    seed()
    data = Datasets(
        sentences(),
        [[words_of, Numericalize(min_freq=1)]],
        splits=(range(48), range(48, 60)),
        dl_type=LMDataLoader,
    )
    dls = data.dataloaders(bs=4, seq_len=6)
    config = {**awd_lstm_lm_config, **SMALL}
    return quiet(
        language_model_learner(dls, AWD_LSTM, config=config, pretrained=False, metrics=Perplexity(), **kw)
    )


def recommender(**kw):
    seed()
    df = pd.DataFrame(dict(user=np.random.randint(0, 9, 200), item=np.random.randint(0, 12, 200)))
    dls = CollabDataLoaders.from_df(df.assign(rating=df.user % 3 + 1.0), bs=32, seed=0)
    return quiet(collab_learner(dls, n_factors=4, y_range=(0, 4), **kw))


def plain(**kw):
    "Return a learner around a net and loaders of PyTorch."
    seed()
    x = torch.randn(96, 6)
    data = TensorDataset(x, x[:, :3].argmax(1))
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    dls = DataLoaders(DataLoader(data, 16, shuffle=True), DataLoader(data, 32))
    return quiet(Learner(dls, model, loss_func=CrossEntropyLossFlat(), **kw))


class HalfOnCPU(MixedPrecision):
    "fastai's mixed precision, with the CPU's autocast and a scaler that works without a GPU."

    def before_fit(self):
        self.scales, self.autocast = [], autocast('cpu', dtype=torch.bfloat16)
        self.learn.scaler = GradScaler('cpu', init_scale=2.0**126, growth_interval=4)


class Counts(Callback):
    "A callback with state of several kinds, which has a part in each loss."

    def __init__(self):
        self.seen, self.history, self.weight = 0, [], torch.ones(1)

    def after_loss(self):
        self.seen += 1
        self.history.append(self.seen)
        self.weight += 0.01
        self.learn.loss_grad = self.learn.loss_grad * self.weight.squeeze() * (1 + 0.1 * torch.rand(()))


def frozen(learn):
    learn.freeze_to(1)
    return learn


def with_built_optimizer():
    learn = plain()
    learn.opt_func = OptimWrapper(opt=torch.optim.AdamW(learn.model.parameters(), lr=1e-3))
    return learn


LEARNERS = {
    'Adam': tabular,
    'ranger': partial(tabular, opt_func=ranger),
    'SGD with momentum': partial(plain, opt_func=partial(SGD, mom=0.9)),
    "PyTorch's AdamW": partial(tabular, opt_func=partial(OptimWrapper, opt=torch.optim.AdamW)),
    'an optimizer that was made': with_built_optimizer,
    'frozen': lambda: frozen(plain(splitter=two_groups)),
    'discriminative rates': partial(plain, splitter=two_groups, lr=slice(1e-4, 1e-2)),
    'accumulation, clipping': lambda: tabular(cbs=[GradientAccumulation(32), GradientClip(0.1)]),
    'MixUp': lambda: plain(cbs=MixUp()),
    'own callback': lambda: tabular(cbs=Counts()),
    'training metrics': lambda: train_metrics(tabular()),
    'to_fp16 on a CPU': lambda: tabular().to_fp16(),
    'scaler': lambda: tabular(cbs=HalfOnCPU()),
    'text classifier': classifier,
    'text classifier, frozen': lambda: frozen(classifier(lr=slice(1e-3, 1e-2))),
    'language model': language,
    'recommender': recommender,
    'worker processes': partial(tabular, num_workers=2),
}


def train_metrics(learn):
    learn.recorder.train_metrics = True
    return learn


def train(learn, find=None):
    "Train, with a range test halfway. Return the weights, and what else tells whether two are the same."
    with learn.no_logging():
        learn.fit_one_cycle(1, 1e-3)
        if find is not None:
            find(learn)
        learn.fit(1, 2e-3)
    weights = [v.detach().clone() for v in learn.model.state_dict().values()]
    state = [v for s in learn.opt.state_dict()['state'] for v in getattr(s, 'values', list)()]
    tensors = weights + [v for v in state if torch.is_tensor(v)]
    recorder = learn.recorder
    losses = [float(v) for v in (*recorder.losses, *recorder.values[0])]
    return tensors, losses, (random.random(), np.random.rand(), torch.rand(()).item())


def same(a, b):
    equal = len(a[0]) == len(b[0]) and all(map(torch.equal, a[0], b[0]))
    return equal and np.array_equal(a[1], b[1], equal_nan=True) and a[2] == b[2]


@pytest.mark.parametrize('name', LEARNERS)
def test_the_training_afterwards_is_the_same_bit_for_bit(name):
    """fastai #2892, #3013, #3185, #3295: after a range test a training was another one. `verify` also looks
    at what a training doesn't show."""
    make = LEARNERS[name]
    before = train(make())
    found = []
    assert same(before, train(make(), lambda learn: found.append(lr_find(learn, verify=True, **QUICK))))
    assert 2 < len(found[0].curve) <= 12


def test_after_the_range_test_of_fastai_it_is_another_one():
    "The comparison above can fail."
    before = train(tabular())
    assert not same(before, train(tabular(), lambda learn: learn.lr_find(num_it=12, show_plot=False)))


@pytest.mark.parametrize('name', ['Adam', "PyTorch's AdamW", 'text classifier', 'language model'])
def test_a_learner_that_has_not_trained_is_as_it_was(name, tmp_path):
    learn = LEARNERS[name]()
    learn.path = tmp_path
    attributes = dict(vars(learn))
    dl = dict(vars(learn.dls.train))
    lr_find(learn, verify=True, **QUICK)
    assert learn.opt is None and not hasattr(learn.recorder, 'lrs')
    assert {k: id(v) for k, v in vars(learn).items()} == {k: id(v) for k, v in attributes.items()}
    assert {k: id(v) for k, v in vars(learn.dls.train).items()} == {k: id(v) for k, v in dl.items()}
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('opt_func', [Adam, ranger, partial(OptimWrapper, opt=torch.optim.AdamW)])
def test_the_optimizer_is_restored_in_place(opt_func):
    learn = tabular(opt_func=opt_func)
    with learn.no_logging():
        learn.fit(1, 1e-3)
    inner = getattr(learn.opt, 'opt', learn.opt)

    def parts():
        state = inner.state
        return [
            learn.opt,
            inner,
            state,
            *state,
            *state.values(),
            *(v for s in state.values() for v in s.values()),
        ]

    before, hypers = parts(), [dict(h) for h in learn.opt.hypers]
    lr_find(learn, **QUICK)
    # What isn't a tensor or a container, such as a counter, may be another object of the same value.
    pairs = zip(before, parts(), strict=True)
    assert all(one is other or type(one) in (int, float) and one == other for one, other in pairs)
    assert hypers == [dict(h) for h in learn.opt.hypers]


class Draws(Callback):
    "Takes batches from a loader of its own."

    def __init__(self, dl):
        self.own = dl

    def before_batch(self):
        next(iter(self.own))


def test_a_loader_that_a_callback_holds_is_restored():
    learn = tabular()
    dl = learn.dls.train.new()
    learn.add_cb(Draws(dl))
    rng, state = dl.rng, dl.rng.getstate()
    lr_find(learn, **QUICK)
    assert dl.rng is rng and rng.getstate() == state


class Raises(Callback):
    def __init__(self, exception, event, after=6):
        self.exception, self.event, self.after = exception, event, after

    def __call__(self, event):
        # Only in the range test.
        if event == self.event and 'lr_finder' in vars(self.learn):
            self.after -= 1
            if self.after < 0:
                raise self.exception('on purpose')


@pytest.mark.parametrize('exception', [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize('event', ['after_pred', 'before_step', 'after_batch', 'before_train'])
def test_everything_is_restored_after_an_exception_or_ctrl_c(exception, event):
    def find(learn):
        with pytest.raises(exception, match='on purpose'):
            lr_find(learn, **QUICK)

    def make():
        return tabular(
            cbs=[GradientAccumulation(32), Counts(), Raises(exception, event, event != 'before_train')]
        )

    assert same(train(make()), train(make(), find))


def test_the_recorder_still_has_the_last_training():
    learn = tabular()
    with learn.no_logging():
        learn.fit(2, 1e-3)
    recorder = learn.recorder
    before = {k: v.copy() if isinstance(v, list) else v for k, v in vars(recorder).items()}
    record = learn.final_record
    lr_find(learn, **QUICK)
    assert vars(recorder) == before and learn.final_record is record
    assert len(recorder.lrs) == 10 and set(recorder.lrs) == {1e-3}


def test_loggers_savers_and_schedulers_are_left_alone(tmp_path, capsys):
    stopper, saver = EarlyStoppingCallback(), SaveModelCallback()
    rates = ParamScheduler({'lr': SchedCos(1.0, 0.1)})
    learn = tabular(tmp_path, cbs=[saver, stopper, CSVLogger(), rates, TerminateOnNaNCallback()])
    learn.add_cb(ProgressCallback())
    (tmp_path / 'history.csv').write_text('a log')
    cbs = list(learn.cbs)
    curve = lr_find(learn, **QUICK).curve
    assert list(learn.cbs) == cbs and (tmp_path / 'history.csv').read_text() == 'a log'
    assert os.listdir(tmp_path) == ['history.csv'] and not hasattr(stopper, 'wait') and saver.best is None
    assert len(curve) == 12 and capsys.readouterr().out == ''


class Losses(Callback):
    def __init__(self):
        self.losses, self.rates = [], []

    def after_batch(self):
        if self.training:
            self.losses.append(self.loss.item())


@pytest.mark.parametrize('make', [tabular, plain, language])
def test_the_losses_are_those_of_the_range_test_of_fastai(make):
    "At rates that hardly differ, both take the same steps: same batches, optimizer, weight decay, momentum."
    keep = Losses()
    learn = make(cbs=keep, opt_func=partial(Adam, mom=0.8, wd=0.1))
    state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    rates = dict(start_lr=1e-2, end_lr=1.0001e-2, num_it=12, stop_div=False, show_plot=False)
    curve = lr_find(learn, batches=None, probe=False, silent=True, **rates).curve
    assert keep.losses == []
    random.setstate(state[0])
    np.random.set_state(state[1])
    torch.set_rng_state(state[2])
    Learner.lr_find(learn, **rates)
    assert np.allclose(curve.losses, keep.losses[:12], rtol=1e-3)
    assert np.ptp(curve.losses) > 1e-2


def test_the_curve_is_that_of_a_plain_loop():
    def opt_func(params, lr):
        return OptimWrapper(params, torch.optim.SGD, lr=lr, momentum=0.9)

    learn = plain(opt_func=opt_func)
    curve = lr_find(learn, **QUICK).curve
    other = plain()
    opt = torch.optim.SGD(other.model.parameters(), lr=1e-3, momentum=0.9)
    options = dict(num_it=12, stop_div=False, probe=False, progress=False)
    expected = find_lr(other.model, opt, nn.CrossEntropyLoss(), other.dls.train, **options)
    assert np.array_equal(curve.losses, expected.losses) and np.array_equal(curve.lrs, expected.lrs)


def test_clipping_has_an_effect():
    rates = dict(QUICK, start_lr=0.1)
    curves = [lr_find(plain(opt_func=SGD, cbs=cbs), **rates).curve for cbs in ([], GradientClip(1e-5))]
    assert np.ptp(curves[1].losses[::6]) < np.ptp(curves[0].losses[::6]) / 4


def test_it_is_called_like_that_of_fastai():
    theirs, ours = (list(inspect.signature(f).parameters.values()) for f in (Learner.lr_find, lr_find))
    assert [p.name for p in theirs[1:]] == [p.name for p in ours[1 : len(theirs)]]
    assert [p.default for p in theirs[1:-1]] == [p.default for p in ours[1 : len(theirs) - 1]]


def test_it_can_stand_in_for_the_method(monkeypatch):
    monkeypatch.setattr(Learner, 'lr_find', lr_find)
    found = tabular().lr_find(
        1e-6, 1, 40, False, False, (schedule.minimum, schedule.steep), probe=False, silent=True
    )
    low, steepest = found
    assert found._fields == ('minimum', 'steep') and len(found) == 2 and found[-1] == steepest
    assert (found.minimum, found.steep) == (low, steepest) and found._asdict() == dict(
        minimum=low, steep=steepest
    )
    assert found.valley == tuple(SuggestedLRs(found.curve, 'valley'))[0] and found.slide > 0
    assert np.allclose(found.curve.lrs[[0, -1]], [1e-6, 1]) and len(found.curve) == 40


def test_the_entries_are_what_the_rules_of_fastai_find():
    "On the losses that a range test of fastai has measured, they are the rates that it returns."
    keep = Losses()
    learn = tabular(cbs=keep)
    named = schedule.valley, schedule.slide, schedule.minimum, schedule.steep
    for rules in (named, partial(schedule.slide, lr_diff=9)):
        keep.losses.clear()
        theirs = learn.lr_find(num_it=50, show_plot=False, suggest_funcs=rules)
        curve = LRCurve(learn.recorder.lrs, keep.losses, settings=dict(num_it=50))
        assert np.allclose(tuple(SuggestedLRs(curve, rules)), tuple(theirs), rtol=1e-4)


def test_without_rules_there_is_our_suggestion():
    found = lr_find(tabular(), suggest_funcs=None, **QUIET)
    assert found and len(found) == 0 and vars(found.suggestion()) == vars(found.curve.suggest())
    assert 'SuggestedLRs(' in repr(found)
    with pytest.raises(AttributeError, match='ridge'):
        found.ridge


def test_a_rule_of_ones_own_and_one_that_fails():
    asked = []

    def own(rates, losses, num_it):
        asked.append((len(rates), len(losses), num_it))
        return 0.5, (0.5, 0.5)

    found = lr_find(tabular(), suggest_funcs=own, **QUICK)
    assert tuple(found) == (0.5,) and found.own == 0.5 and asked[0] == (6, 6, 12)
    with pytest.raises(NoSuggestion, match='slide .* 6 points.*num_it'):
        found.slide


def fails_by_name(rates, losses, num_it):
    return rates[losses.argmin()] + missing  # noqa: F821


def fails_by_call(rates):
    return rates[0]


def fails_by_index(rates, losses, num_it):
    return rates[len(rates)]


@pytest.mark.parametrize('rule', [fails_by_name, fails_by_call, fails_by_index, lambda *args: 'fast'])
def test_what_was_measured_outlives_a_rule_that_fails(rule, capsys):
    "The picture and the text are made after the sweep, and ask the rule."
    found = lr_find(
        tabular(), **{**QUICK, 'silent': False, 'show_plot': True, 'suggest_funcs': (rule, 'valley')}
    )
    words = 'returned' if rule.__name__ == '<lambda>' else 'NameError|TypeError|IndexError'
    assert len(found.curve) == 12 and found.valley > 0 and 'None' in repr(found)
    assert re.search(f'Note: {rule.__name__}.*({words})', capsys.readouterr().out)
    with pytest.raises(NoSuggestion, match=words) as error:
        found[0]
    assert error.value.curve is found.curve


def test_rules_without_a_name_of_their_own_are_numbered():
    rules = lambda rates, losses, n: (rates[0],), lambda rates, losses, n: rates[1].item()
    found = lr_find(tabular(), suggest_funcs=rules, **QUICK)
    assert found._fields == ('<lambda>', '<lambda>_2') and np.allclose(found, found.curve.lrs[1:3])
    assert len(lr_find(tabular(), suggest_funcs=('valley', schedule.valley), **QUICK)) == 2


@pytest.mark.parametrize('wrong', [None, (), 'fast', torch.ones(2), float('nan'), 0.0, (None, 1)])
def test_what_a_rule_returns_must_be_a_rate(wrong):
    curve = LRCurve(np.logspace(-5, 0, 40), np.linspace(2, 1, 40))
    assert tuple(SuggestedLRs(curve, lambda *args: 0.5)) == (0.5,)
    assert tuple(SuggestedLRs(curve, lambda *args: torch.tensor(0.5))) == (0.5,)

    def own(rates, losses, num_it):
        return wrong

    with pytest.raises(NoSuggestion, match='own returned .*, not a rate above zero'):
        tuple(SuggestedLRs(curve, own))


def test_a_picture_is_drawn_on_request():
    plt = pytest.importorskip('matplotlib.pyplot')
    plt.close('all')
    lr_find(tabular(), **QUICK)
    assert plt.get_fignums() == []
    lr_find(tabular(), silent=True, probe=False, suggest_funcs=('valley', 'slide'))
    (text,) = plt.gcf().axes[0].get_legend().get_texts()[-1:]
    assert len(plt.get_fignums()) == 1 and text.get_text().startswith('slide: ')
    plt.close('all')


def test_the_rates_are_printed(capsys):
    s = lr_find(tabular(), show_plot=False, num_it=40, probe=False).curve.suggest()
    assert f'{s:.2E}' in (text := capsys.readouterr().out) and f'fit_one_cycle: {s.one_cycle:.2E}' in text


def test_groups_keep_the_ratio_of_the_rates_of_the_learner():
    curve = lr_find(plain(splitter=two_groups, lr=slice(1e-4, 1e-2)), **QUICK).curve
    assert np.allclose(curve.group_lrs[0], [1e-9, 1e-7]) and np.allclose(curve.group_lrs[-1], [0.1, 10])
    curve = lr_find(plain(splitter=two_groups, lr=slice(1e-2)), start_lr=1e-4, **QUICK).curve
    assert np.allclose(curve.group_lrs[0], [1e-5, 1e-4])


def test_frozen_groups_are_not_trained():
    class First(Callback):
        def __init__(self):
            self.weights = []

        def after_batch(self):
            First.found.append([float(p.sum()) for p in (self.model[0].weight, self.model[-1].weight)])

    First.found = []
    lr_find(frozen(plain(splitter=two_groups, cbs=First())), start_lr=1e-3, **QUICK)
    first, last = zip(*First.found)
    assert len(set(first)) == 1 and len(set(last)) == 12


class CountsBatches(Callback):
    def after_batch(self):
        CountsBatches.total += 1


def test_each_update_is_a_point():
    CountsBatches.total = 0
    curve = lr_find(tabular(cbs=[GradientAccumulation(40), CountsBatches()]), **QUICK).curve
    assert len(curve) == 12 and curve.settings['accumulate'] == 3 and CountsBatches.total == 36
    assert max(curve.batches) + 1 <= 8

    class Accumulation(GradientAccumulation):
        pass

    assert len(lr_find(tabular(cbs=Accumulation(40)), **QUICK).curve) == 12
    assert lr_find(tabular(cbs=Accumulation(40)), **QUICK).curve.settings['accumulate'] == 3


def test_a_step_that_the_scaler_skips_is_not_a_point():
    class Steps(Callback):
        order = 2000
        taken = 0
        skipped = 0

        def after_cancel_step(self):
            Steps.skipped += 1

        def before_step(self):
            Steps.taken += 1

    curve = lr_find(tabular(cbs=[HalfOnCPU(), Steps()]), **QUICK).curve
    assert len(curve) == Steps.taken == 12 and Steps.skipped > 0


def test_all_sweeps_go_round_the_same_batches():
    class Batches(Callback):
        seen = []

        def before_batch(self):
            Batches.seen.append(self.yb[0].flatten().tolist() + self.xb[1].flatten().tolist())

    found = lr_find(tabular(cbs=Batches()), batches=3, probe=True, num_it=40, **QUIET)
    assert len(Batches.seen) > 300 and len({tuple(b) for b in Batches.seen}) == 3
    assert found.curve.probes


class Validates(Callback):
    "Labels from the model, as in self-training, at the start of each epoch or in the middle of it."

    def __init__(self, event, how):
        self.event, self.how = event, how
        self.results, self.validated = [], 0

    def __call__(self, event):
        if event == 'after_pred' and not self.learn.training:
            self.validated += 1
        if event == self.event and self.learn.training and len(self.results) < 3:
            before = {k: vars(self.learn).get(k) for k in ('training', 'dl', 'iter', 'n_iter')}
            # A loader of PyTorch draws a seed, which would change the batches and the dropout that follow.
            with self.learn.no_logging(), torch.random.fork_rng():
                self.results.append(self.how(self.learn))
            for name, value in before.items():
                setattr(self.learn, name, value)
            self.learn.model.train()
            # What is in the callback itself is restored.
            Validates.seen = list(self.results), self.validated


def all_predictions(learn):
    return learn.get_preds(dl=learn.dls.valid, inner=True)[0]


@pytest.mark.parametrize('event', ['before_train', 'after_batch'])
@pytest.mark.parametrize('how', [lambda learn: learn.validate(), all_predictions])
def test_a_callback_may_validate(event, how):
    plain_curve = lr_find(plain(), **QUICK).curve
    curve = lr_find(plain(cbs=Validates(event, how)), **QUICK).curve
    results, batches = Validates.seen
    # Each time it sees all of the validation data, and nothing of that is a point.
    assert len(results[0]) == (96 if how is all_predictions else 1) and batches == len(results) * 3
    assert len(curve) == 12 and np.array_equal(curve.losses, plain_curve.losses)
    find = partial(lr_find, **QUICK)
    assert same(*(train(plain(cbs=Validates(event, how)), f) for f in (find, None)))


def test_epochs_may_be_cut_short():
    curve = lr_find(tabular(cbs=ShortEpochCallback(0.3)), **QUICK).curve
    assert len(curve) == 12


class Cancels(Callback):
    def __init__(self, event, exception, first=0):
        self.event, self.exception, self.first = event, exception, first

    def __call__(self, event):
        if event == self.event and self.learn.train_iter >= self.first:
            raise self.exception


def test_a_callback_may_end_the_training_early():
    curve = lr_find(tabular(cbs=Cancels('after_batch', CancelFitException, 7)), **QUICK).curve
    assert len(curve) == 7 and curve.stop_reason == 'interrupted'


def test_a_training_without_steps_is_an_error():
    learn = tabular(cbs=Cancels('after_pred', CancelBatchException))
    with pytest.raises(ValueError, match='took no step'):
        lr_find(learn, **QUICK)


def test_a_loss_that_is_not_a_number_ends_the_sweep():
    class Breaks(Callback):
        def after_pred(self):
            if self.train_iter == 9:
                self.learn.pred = self.pred * float('nan')

    for cbs in ([Breaks()], [Breaks(), TerminateOnNaNCallback()]):
        curve = lr_find(tabular(cbs=cbs), **{**QUICK, 'num_it': 30}).curve
        assert len(curve) == 9 and curve.stop_reason == 'non-finite'


@pytest.mark.parametrize(
    'train, schedule',
    [
        (lambda learn, found: learn.fit_one_cycle(1, found), "schedule='one_cycle'"),
        (lambda learn, found: learn.fit_one_cycle(1, lr_max=slice(found)), "schedule='one_cycle'"),
        (lambda learn, found: learn.fine_tune(1, found), "schedule='one_cycle'"),
        (lambda learn, found: learn.fit_sgdr(1, 1, found), "schedule='cosine'"),
        (lambda learn, found: learn.fit_flat_cos(1, found), ''),
        (lambda learn, found: learn.fit(1, found), ''),
    ],
)
def test_a_training_refuses_the_whole_result_and_says_what_to_pass(train, schedule):
    "fastai would set the entries as the rates of the parameter groups."
    found = lr_find(plain(), **{**QUICK, 'num_it': 50}, suggest_funcs=('slide', 'valley'))
    learn = plain(splitter=two_groups)
    with pytest.raises(TypeError, match=re.escape(f'found.suggestion({schedule}), or found.slide')) as error:
        train(learn, found)
    assert str(error.value).startswith('fi') and learn.opt.hypers[-1]['lr'] == learn.lr
    slide, valley = found
    assert [slide, valley] == list(found) and found.valley == valley


def test_the_maximum_below_the_constant_rate_is_explained(capsys):
    "One-cycle sets a momentum that plain SGD hasn't."
    for name in ('SGD', 'AdamW'):
        opt_func = partial(OptimWrapper, opt=getattr(torch.optim, name))
        found = lr_find(plain(opt_func=opt_func), show_plot=False, probe=False)
        s = found.curve.suggest()
        assert ('because the cycle raises the momentum' in capsys.readouterr().out) == (name == 'SGD')
        assert (s.one_cycle < s.lr) == (name == 'SGD')


def test_a_suggestion_can_be_passed_to_fastai(tmp_path):
    learn = tabular(tmp_path)
    s = lr_find(learn, **QUIET).suggestion()
    with learn.no_logging():
        learn.fit(1, s)
        learn.fit_one_cycle(1, s.one_cycle)
        learn.save('here')
        learn.load('here')
        learn.fine_tune(1, s)


class ChangesData(Callback):
    def after_batch(self):
        self.dls.train_ds.tensors[0].add_(0.01)


def test_what_is_not_restored_is_named():
    "The data is left alone, and `verify` looks at it."
    with pytest.raises(NotRestored, match='tensors'):
        lr_find(plain(cbs=ChangesData()), verify=True, **QUICK)


class Holds(Callback):
    def __init__(self):
        self.held = None

    def after_create(self):
        self.held = self.learn.dls

    def after_batch(self):
        self.held.counted = getattr(self.held, 'counted', 0) + 1


def test_attributes_of_the_loaders_are_restored():
    learn = plain(cbs=Holds())
    lr_find(learn, **QUICK)
    assert not hasattr(learn.dls, 'counted')


def lonely():
    learn = tabular()
    learn.dls.train.bs = 500
    return learn


def other_loaders():
    learn = plain()
    learn.dls = SimpleNamespace(train=learn.dls.train, valid=learn.dls.valid)
    return learn


def distributed():
    kind = type('Ours', (type('DistributedTrainer', (Callback,), {}),), {})
    return tabular(cbs=kind())


def all_frozen():
    learn = plain()
    learn.model.requires_grad_(False)
    return learn


def test_what_is_frozen_can_be_unfrozen_as_it_says():
    learn = all_frozen()
    learn.model.requires_grad_(True)
    learn.create_opt()
    learn.model.requires_grad_(False)
    before = [p.clone() for p in learn.model.parameters()]
    with pytest.raises(ValueError, match=r'are frozen, .* call learn.unfreeze\(\)'):
        lr_find(learn, **QUICK)
    assert all(map(torch.equal, before, learn.model.parameters()))
    learn.unfreeze()
    assert len(lr_find(learn, **QUICK).curve) == 12


def needs_a_closure():
    return plain(opt_func=partial(OptimWrapper, opt=torch.optim.LBFGS))


def changes_the_rate():
    class Warmup(Callback):
        def before_batch(self):
            self.opt.set_hypers(lr=0.1)

    return tabular(cbs=Warmup())


@pytest.mark.parametrize(
    'make, options, error, words',
    [
        (lonely, {}, ValueError, 'dls.train gives no batch'),
        (distributed, {}, ValueError, 'DistributedTrainer.*one of them'),
        (needs_a_closure, {}, TypeError, 'LBFGS needs a closure.*LRSweep'),
        (changes_the_rate, {}, ValueError, "rate was set to 0.1.*a callback does that.*removed_cbs"),
        (all_frozen, {}, ValueError, r'all 6 parameters of learn are frozen.*model.requires_grad_\(True\)'),
        (other_loaders, {}, TypeError, 'must be DataLoaders.*wrap the loaders'),
        (tabular, dict(num_it=1), ValueError, 'num_it'),
        (tabular, dict(start_lr=1, end_lr=0.1), ValueError, 'start_lr must be below end_lr'),
        (tabular, dict(start_lr=[1e-5, 1e-4]), ValueError, 'start_lr'),
        (tabular, dict(suggest_funcs='ridge'), TypeError, "valley, slide, minimum, steep; got 'ridge'"),
        (tabular, dict(suggest_funcs=[3]), TypeError, 'got 3'),
        (tabular, dict(batches=0), ValueError, 'batches'),
        (tabular, dict(verify='yes'), TypeError, "verify must be True or False, got 'yes'"),
        (tabular, dict(silent=1), TypeError, 'silent must be'),
        (tabular, dict(show_plot=None), TypeError, 'show_plot must be'),
        (tabular, dict(where='nowhere'), ValueError, 'where'),
        (lambda: nn.Linear(1, 1), {}, TypeError, 'learn must be a Learner of fastai v2, got a Linear'),
        (lambda: OurLearner(([0], None), nn.Linear(1, 1)), {}, TypeError, r'learn.lr_find\(\)'),
    ],
)
def test_what_cannot_work_is_named(make, options, error, words):
    learn = make()
    with pytest.raises(error, match=words):
        lr_find(learn, **{**QUICK, **options})
    assert getattr(learn, 'opt', None) is None


def test_a_training_that_is_cancelled_before_it_begins_is_an_error():
    class Cancels(Callback):
        def before_fit(self):
            raise CancelFitException

    with pytest.raises(ValueError, match='the training took no step'):
        lr_find(plain(cbs=Cancels()), **QUICK)


def test_options_of_others_and_our_rates_are_named():
    with pytest.raises(TypeError, match='lr_find has no option .num_iter.: here it is called num_it'):
        lr_find(plain(), num_iter=50)
    found = lr_find(plain(), **QUICK)
    words = dict(
        lr='the rate is found.suggestion()',
        suggest='did you mean found.suggestion()',
        one_cycle='it is found.curve.suggest().one_cycle',
        vally="did you mean 'valley'",
    )
    for name, where in words.items():
        with pytest.raises(AttributeError, match=re.escape(where)):
            getattr(found, name)
    with pytest.raises(TypeError, match="got 'valey': did you mean 'valley'"):
        lr_find(plain(), suggest_funcs='valey')


def own_generator():
    "Return a learner whose loader is fastai's, with a generator of its own."
    seed()
    rows = TensorDataset(torch.randn(96, 6), torch.arange(96) % 3)
    dls = DataLoaders.from_dsets(rows, rows, bs=16, device='cpu')
    return Learner(dls, nn.Linear(6, 3), loss_func=nn.CrossEntropyLoss())


def new_generator(learn):
    learn.dls.train.rng = random.Random(1)


@pytest.mark.parametrize(
    'make, reseed', [(own_generator, new_generator), (tabular, lambda learn: set_seed(1))]
)
def test_sweeps_over_other_batches(make, reseed):
    "All sweeps of a learner begin in the same state."
    learn = make()
    first, again = lr_find(learn, **QUICK).curve, lr_find(learn, **QUICK).curve
    reseed(learn)
    other = lr_find(learn, **QUICK).curve
    assert np.array_equal(first.losses, again.losses) and not np.array_equal(first.losses, other.losses)
