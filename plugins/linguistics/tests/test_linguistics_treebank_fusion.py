"""One fusion over a small treebank: tags, features, trees, probes and entities train together and are measured."""

from __future__ import annotations

from pathlib import Path

from consilience.declare import Fusion
from consilience.evidence import evaluate
from consilience.train import train

SENTENCES = """1\tfilm\tfilm\tNOUN\tNN\tNumber=Sing\t3\tnsubj\t_\tNER=B-WORK
2\tplot\tplot\tNOUN\tNN\tNumber=Sing\t1\tcompound\t_\tNER=I-WORK
3\twas\tbe\tAUX\tVBD\tNumber=Sing|Tense=Past\t0\troot\t_\t_
4\tdull\tdull\tADJ\tJJ\tDegree=Pos\t3\txcomp\t_\t_
5\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

1\ta\ta\tDET\tDT\tDefinite=Ind\t2\tdet\t_\t_
2\tfilm\tfilm\tNOUN\tNN\tNumber=Sing\t0\troot\t_\tNER=B-WORK
3\t!\t!\tPUNCT\t.\t_\t2\tpunct\t_\t_

"""
FUSION = """
consilience: 1
name: treebank
resources: {tiny: {use: checkpoint, path: CHECKPOINT}}
fields:
  text: text
  upos: {token_labels: linguistics.upos}
  heads: {token_labels: linguistics.positions}
  deprel: {token_labels: linguistics.deprel}
  feats: text
  ner: {token_labels: [O, B-WORK, I-WORK]}
sources:
  trees:
    use: linguistics.conllu
    path: "{split}.conllu"
    misc: [NER]
    map: {text: words, upos: upos, heads: heads, deprel: relations, feats: feats, ner: NER}
inputs:
  tokens: {use: tokens, in: text, checkpoint: tiny, max_length: 32}
  tags: {use: token_labels, in: {words: tokens.words, labels: upos}}
  entities: {use: token_labels, in: {words: tokens.words, labels: ner}}
  morphology: {use: linguistics.morphology, in: {words: tokens.words, feats: feats}, features: [Number, Tense, Degree]}
  words: {use: linguistics.words, in: tokens.words}
  tree: {use: linguistics.tree, in: {mask: words.mask, heads: heads, tags: upos}}
  relations: {use: linguistics.word_labels, in: {mask: words.mask, labels: deprel}}
modules:
  encoder: {use: text_encoder, in: tokens}
  tagger: {use: token_classifier, in: encoder.hidden}
  names: {use: token_classifier, in: encoder.hidden}
  features: {use: linguistics.morphology_head, in: encoder.hidden}
  states: {use: linguistics.word_states, in: {hidden: encoder.hidden, weights: words.weights}}
  parser: {use: linguistics.biaffine_parser, in: {states: states, mask: words.mask}, arc_width: 8, relation_width: 4}
  probe: {use: linguistics.structural_probe, in: states, rank: 4}
  depth: {use: linguistics.depth_probe, in: states, rank: 4}
losses:
  tag_loss: {use: cross_entropy, in: tagger, target: tags}
  name_loss: {use: cross_entropy, in: names, target: entities}
  feature_loss: {use: cross_entropy, in: features, target: morphology.labels}
  arc_loss: {use: linguistics.arc_loss, in: parser.arcs, target: tree.heads}
  relation_loss:
    {use: linguistics.relation_loss, in: {relations: parser.relations, heads: tree.heads}, target: relations.labels}
  distance_loss: {use: linguistics.distance_loss, in: {distances: probe, mask: tree.mask}, target: tree.distances}
  depth_loss: {use: linguistics.depth_loss, in: {depths: depth, mask: tree.mask}, target: tree.depths}
metrics:
  upos_accuracy: {use: accuracy, in: tagger, target: tags}
  ufeats: {use: linguistics.ufeats, in: features, target: morphology.labels}
  uas: {use: linguistics.uas, in: parser.arcs, target: tree.heads}
  las:
    use: linguistics.las
    in: {arcs: parser.arcs, relations: parser.relations, heads: tree.heads}
    target: relations.labels
  uuas: {use: linguistics.uuas, in: {distances: probe, mask: tree.counted}, target: tree.distances}
  dspr: {use: linguistics.distance_spearman, in: {distances: probe, mask: tree.mask}, target: tree.distances}
  nspr: {use: linguistics.depth_spearman, in: {depths: depth, mask: tree.mask}, target: tree.depths}
  entity_f1: {use: linguistics.entity_score, in: names, target: entities}
train: {max_steps: 2, batch_size: 4, learning_rate: 1.0e-3, use_cpu: true}
"""


def test_a_treebank_teaches_all_its_columns(tiny_encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "train.conllu").write_text(SENTENCES * 2, encoding="utf-8")
    # A text may stand in one split alone.
    (tmp_path / "test.conllu").write_text(SENTENCES.replace("film", "story"), encoding="utf-8")
    run = train(
        Fusion.parse(FUSION.replace("CHECKPOINT", str(tiny_encoder)), tmp_path), tmp_path / "runs", progress=False
    )
    metrics = evaluate(run, "test", progress=False).metrics
    assert metrics.keys() == {"upos_accuracy", "ufeats", "uas", "las", "uuas", "dspr", "nspr", "entity_f1"}
    assert all(-1 <= value <= 1 for value in metrics.values())
    assert metrics["las"] <= metrics["uas"]
