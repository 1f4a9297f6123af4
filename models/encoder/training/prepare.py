#!/usr/bin/env python3
"""Adds noisy copies to the training sentences, and simulated word errors to the sets that are measured on.

    prepare.py SCORED
"""
import csv, gzip, json, os, random, sys
import noise
HERE = os.path.dirname(os.path.abspath(__file__)); SCORED = sys.argv[1]; COPIES = 4
train = json.load(gzip.open(f'{HERE}/train.json.gz'))
m = noise.Mishearing(t for one in train for t in one['texts'])
rnd = random.Random(7)
for one in train:
    one['noisy'] = [[m.rough(t, rnd) for _ in range(COPIES)] for t in one['texts']]
def rows(path):
    with open(path, encoding='utf-8', newline='') as f: return [(r[0].strip(), r[1]) for r in list(csv.reader(f))[1:]]
bank = {'train': rows(f'{SCORED}/banking77_train.csv'), 'test': rows(f'{SCORED}/banking77_test.csv'), 'oos': []}
c = json.load(open(f'{SCORED}/clinc150.json'))
clinc = {'train': c['train'], 'test': c['test'], 'oos': [t for t, _ in c['oos_test']]}
dev = json.load(gzip.open(f'{HERE}/dev.json.gz'))
a = dev['acid']; labels = sorted({l for _, l in a['training']}); rnd = random.Random(3); rnd.shuffle(labels)
out_labels = set(labels[:35])
test = [x for x in a['testing'] if x[1] not in out_labels]; rnd.shuffle(test)
oos = [x[0] for x in a['testing'] if x[1] in out_labels]; rnd.shuffle(oos)
acid = {'train': [x for x in a['training'] if x[1] not in out_labels], 'test': test[:5000], 'oos': oos[:1000]}
h = dev['hwu64']; hwu = {'train': [x for x in h['train'] if x[0]], 'test': [x for x in h['test'] if x[0]], 'oos': []}
sets = {'acid': acid, 'bank': bank, 'clinc': clinc, 'hwu': hwu}
for name, s in sets.items():
    m = noise.Mishearing(t for t, _ in s['train'] + s['test'])
    rnd = random.Random(11); s['noisy'] = [m.hear(t, 0.10, rnd) for t, _ in s['test']]
    print(name, {k: len(v) for k, v in s.items()}, s['test'][0], '->', s['noisy'][0])
json.dump({'train': train, 'sets': sets}, gzip.open(f'{HERE}/data.json.gz', 'wt'))
print(os.path.getsize(f'{HERE}/data.json.gz'))
