"""The page of recipes: each runs with the real package, and the training that follows is the same as if the
rate had been typed. A recipe whose package isn't installed is skipped."""

import configparser, logging, os, re
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest, torch

from conftest import same
from recipes import CELLS, NEEDS, RECIPES, SEARCH, SHARED, needed_by

ROOT = Path(__file__).parent.parent
# What a training ends with; of most recipes, the weights of `model`.
END = {
    'skorch': 'model.module_.state_dict()',
    'Keras': '[weight.tolist() for weight in model.get_weights()]',
    'LightningCLI': 'cli.model.state_dict()',
    'darts': 'model.model.state_dict()',
    'Optuna': '[(trial.params, trial.intermediate_values) for trial in study.trials]',
}
# What somebody types who knows the rate, instead of the search. In most recipes, it is `lr = 0.01`.
TYPED = {
    'LightningCLI': """
class FindsRate(LightningCLI):
    def before_fit(self):
        self.model.configure_optimizers().param_groups[0]['lr'] = lr
        self.config.fit.optimizer.init_args.lr = lr
""",
    'pytorch-forecasting': "model.hparams.learning_rate = lr",
}


@pytest.fixture(autouse=True)
def as_before():
    "Some recipes set variables of the environment, and the page silences logging."
    with mock.patch.dict(os.environ):
        yield
    logging.disable(logging.NOTSET)


def run(title, known=None, after_search=lambda names: None):
    "Run a recipe, or the same with rates that are known. Return all names, and what the training ends with."
    names = {'__name__': 'recipe'}
    torch.manual_seed(0)
    exec(SHARED, names)
    for block in RECIPES[title]:
        if known and SEARCH.search(block):
            names.update(known)
            block = TYPED.get(title, '')
        exec(compile(block, title, 'exec'), names)
        if SEARCH.search(block):
            after_search(names)
    return names, eval(END.get(title, 'model.state_dict()'), names)


def rates_of(title, names):
    "Return the names that hold what the search of a recipe has found."
    if title == 'pytorch-forecasting':
        return dict(lr=names['model'].hparams.learning_rate)
    return {name: names[name] for name in ('lr', 'suggestion') if name in names}


@pytest.mark.parametrize('title', RECIPES)
def test_a_recipe_runs_and_leaves_the_training_as_it_would_have_been(title):
    if find_spec(needed_by(title)) is None:
        pytest.skip(f'{needed_by(title)} is not installed')
    names, end = run(title)
    _, expected = run(title, known=rates_of(title, names))
    assert end and same(end, expected)


def test_a_search_that_changes_the_model_is_noticed():
    title = 'SAM'
    _, end = run(title)
    _, other = run(title, after_search=lambda names: names['model'][0].weight.data.mul_(1.001))
    assert not same(end, other)


def test_each_recipe_says_what_it_needs_and_searches_once():
    assert len(RECIPES) > 12
    for title, blocks in RECIPES.items():
        assert {m and m[1] for m in map(NEEDS.match, blocks)} == {needed_by(title)}, title
        assert sum(bool(SEARCH.search(block)) for block in blocks) == 1, title


def test_the_search_restores_a_configuration_that_the_model_writes_into():
    "A model of Transformers notes in its first forward pass what kind of problem it is for."
    pytest.importorskip('transformers')
    from transformers import BertConfig, BertForSequenceClassification

    from fastlr import find_lr

    sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    model = BertForSequenceClassification(BertConfig(vocab_size=9, **sizes))
    batches = [dict(input_ids=torch.randint(9, (4, 3)), labels=torch.tensor([0, 1, 0, 1]))] * 2
    opt = torch.optim.SGD(model.parameters(), 0.1)
    find_lr(model, opt, None, batches, num_it=3, probe=False, progress=False, verify=True)
    assert model.config.problem_type is None
    model(**batches[0])
    assert model.config.problem_type == 'single_label_classification'


def versions():
    "Return the packages and versions of the last table of the page."
    return dict(re.findall(r'^\| `([\w-]+)` \| ([\d.]+) \|', ''.join(CELLS[-1]['source']), re.M))


def test_the_versions_on_the_page_are_those_that_are_installed_for_it():
    "Three packages can't be in the same environment as the others, and aren't in the extra."
    pins = dict(re.findall(r'^([\w-]+)==([\w.]+)', (ROOT / 'constraints.txt').read_text(), re.M))
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    installed = re.findall(r'^([\w-]+)', config['options.extras_require']['recipes'], re.M)
    apart = {'darts', 'timm', 'pytorch-forecasting'}
    assert len(versions()) == len(RECIPES) and set(versions()) - set(installed) == apart
    assert {name: pins.get(name) for name in set(versions()) - apart}.items() <= versions().items()
    assert '%(recipes)s' in config.get('options.extras_require', 'dev', raw=True)
