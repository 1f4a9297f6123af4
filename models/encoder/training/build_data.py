#!/usr/bin/env python3
"""Collects public, permissively licensed intent data into one file; drops what is in a scored set.

    build_data.py CHECKOUTS SCORED

CHECKOUTS holds a git clone of each public repository, in folders named owner+name (see below for which);
SCORED holds the files of BANKING77, CLINC150 and NLU++, whose sentences are kept out, and call_openings.tsv.
"""
import csv, gzip, io, json, os, random, re, subprocess, sys
from collections import Counter, defaultdict

CHECKOUTS, SCORED = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))

def git(repo, *args):
    return subprocess.run(['git', '-C', f'{CHECKOUTS}/{repo}', *args], capture_output=True, check=True).stdout.decode('utf-8', 'replace')

def show(repo, path): return git(repo, 'show', f'HEAD:{path}')
def listing(repo): return git(repo, 'ls-tree', '-r', '--name-only', 'HEAD').split('\n')

def clean(t):
    t = t.replace('\u2019', "'").replace('\u00a0', ' ')
    t = re.sub(r'^#', '', t.strip())
    t = re.sub(r'\s+', ' ', t).strip().strip('"')
    t = re.sub(r" (n't|'s|'m|'re|'ll|'ve|'d)\b", r'\1', t)
    return re.sub(r' ([.,?!])', r'\1', t)

def norm(t): return ' '.join(re.findall(r"[a-z0-9']+", t.lower().replace('\u2019', "'")))

def snake(s): return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', s).lower()
def words_of(s): return re.sub(r'\s+', ' ', re.sub(r'[_\-./:+]', ' ', snake(s))).strip()

DATA = defaultdict(lambda: defaultdict(list))     # dataset -> intent -> sentences
NAMES = {}
LICENCE = {}

def add(ds, intent, text, name=None):
    text = clean(text)
    if not text or len(text) > 300 or not re.search('[a-zA-Z]', text): return
    DATA[ds][intent].append(text)
    NAMES.setdefault((ds, intent), words_of(intent) if name is None else name)

# HWU64 (train split only) and SLURP's development and test texts: one collection, one label set
LICENCE['hwu64+slurp'] = 'CC-BY-4.0 (xliuhw/NLU-Evaluation-Data; pswietojanski/slurp, text)'
R = 'jianguoz+Few-Shot-Intent-Detection'
hwu_test = set()
for part in ('valid', 'test'):
    hwu_test |= {norm(t) for t in show(R, f'Datasets/HWU64/{part}/seq.in').split('\n')}
HWU_EVAL = {p: list(zip(show(R, f'Datasets/HWU64/{p}/seq.in').split('\n'), show(R, f'Datasets/HWU64/{p}/label').split('\n'))) for p in ('train', 'test')}
labels = set()
for t, l in HWU_EVAL['train']:
    if t: add('hwu64+slurp', l.strip(), t); labels.add(l.strip())
slurp_drop = 0
for part in ('devel', 'test'):
    for line in show('pswietojanski+slurp', f'dataset/slurp/{part}.jsonl').split('\n'):
        if not line: continue
        d = json.loads(line); l = f"{d['scenario']}_{d['action']}"
        if norm(d['sentence']) in hwu_test: slurp_drop += 1; continue
        if l in labels: add('hwu64+slurp', l, d['sentence'])
print('slurp sentences dropped as HWU64 valid/test:', slurp_drop)

# SNIPS
LICENCE['snips'] = 'CC0-1.0 (sonos/nlu-benchmark)'
R = 'sonos+nlu-benchmark'
for p in listing(R):
    m = re.match(r'2017-06-custom-intent-engines/(\w+)/train_\w+_full\.json', p)
    if m:
        d = json.loads(show(R, p))[m[1]]
        for u in d: add('snips', m[1], ''.join(x['text'] for x in u['data']))

# MultiDoGO
LICENCE['multidogo'] = 'CDLA-Permissive-1.0 (awslabs/multi-domain-goal-oriented-dialogues-dataset)'
R = 'awslabs+multi-domain-goal-oriented-dialogues-dataset'
GENERIC = {'openinggreeting': 'greeting', 'thankyou': 'thank you', 'closinggreeting': 'goodbye', 'confirmation': 'yes', 'rejection': 'no'}
SPLIT = {'changeseatassignment': 'change seat assignment', 'getboardingpass': 'get boarding pass', 'bookflight': 'book flight', 'getseatinfo': 'get seat info',
 'orderpizzaintent': 'order pizza', 'orderdrinkintent': 'order drink', 'ordersaladintent': 'order salad', 'orderburgerintent': 'order burger', 'orderdessertintent': 'order dessert',
 'ordersideintent': 'order side', 'orderbreakfastintent': 'order breakfast', 'reportlostcard': 'report lost card', 'updateaddress': 'update address', 'checkbalance': 'check balance',
 'transfermoney': 'transfer money', 'disputecharge': 'dispute charge', 'replacecard': 'replace card', 'closeaccount': 'close account', 'checkoffereligibility': 'check offer eligibility',
 'getroutingnumber': 'get routing number', 'orderchecks': 'order checks', 'getproofofinsurance': 'get proof of insurance', 'checkclaimstatus': 'check claim status',
 'reportbrokenphone': 'report broken phone', 'startserviceintent': 'start service', 'getinformationintent': 'get information', 'viewbillsintent': 'view bills',
 'upgradeserviceintent': 'upgrade service', 'transferserviceintent': 'transfer service', 'cancelserviceintent': 'cancel service', 'reportbrokensoftware': 'report broken software',
 'softwareupdate': 'software update', 'expensereport': 'expense report', 'startorder': 'start order', 'checkserverstatus': 'check server status', 'changeorder': 'change order',
 'stoporder': 'stop order', 'providereceipt': 'provide receipt', 'getpromotions': 'get promotions'}
for dom in 'airline fastfood finance insurance media software'.split():
    for part in ('train', 'dev', 'test'):
        for line in show(R, f'data/paper_splits/splits_annotated_at_sentence_level/{dom}/{part}.tsv').split('\n')[1:]:
            c = line.split('\t')
            if len(c) < 7: continue
            l = c[6].strip()
            if l in GENERIC: add('multidogo', l, c[4], GENERIC[l])
            elif l in SPLIT and len(c[4].split()) > 2: add('multidogo', l, c[4], SPLIT[l])

# DSTC11 openings (given with the project)
LICENCE['dstc11'] = 'CDLA-Permissive-2.0 (amazon-science/dstc11-track2-intent-induction; call_openings.tsv)'
for line in open(f'{SCORED}/call_openings.tsv', encoding='utf-8').read().split('\n')[1:]:
    c = line.split('\t')
    if len(c) == 4: add('dstc11', c[2], c[3])

# Bot Framework: chitchat and LU files
LICENCE['chitchat'] = 'MIT (microsoft/botframework-solutions)'
for line in show('microsoft+botframework-solutions', 'samples/csharp/assistants/enterprise-assistant/VirtualAssistantSample/Deployment/Resources/QnA/en-us/Chitchat.qna').split('\n'):
    m = re.match(r'#+ \?\s*(.+)', line)
    if m: q = m[1].strip(); add('chitchat', q, q, ''); continue
    if line.startswith('- '): add('chitchat', q, line[2:])
LICENCE['botframework'] = 'MIT (microsoft/botframework-solutions, microsoft/botframework-components)'
def lu_text(u):
    for _ in range(4): u = re.sub(r'\{@?[^{}=]+=\s*([^{}]*)\}', r'\1', u)
    return None if re.search(r'[{}\[\]|()]', u) else u
seen = set()
for R in ('microsoft+botframework-components', 'microsoft+botframework-solutions'):
    for p in listing(R):
        if not p.lower().endswith('.lu') or 'automotive' in p or 'en-us' not in p.lower(): continue
        b = os.path.basename(p).lower(); body = show(R, p)
        if 'botname' in b or 'generators/' in p or hash(body) in seen: continue
        seen.add(hash(body)); base = re.sub(r'\.en-us|\.lu$', '', b)
        intent = None
        for line in body.split('\n'):
            m = re.match(r'#+\s*\??\s*([A-Za-z_][\w.]*)\s*$', line.strip())
            if m: intent = m[1]; continue
            if line.strip().startswith(('$', '@', '>', '!')): intent = intent if line.strip().startswith('>') else None; continue
            m = re.match(r'\s*-\s+(.+)', line)
            if m and intent and intent.lower() not in ('none', 'general'):
                t = lu_text(m[1])
                if t and len(t.split()) > 1: add('botframework', intent, t)

# LUIS samples
LICENCE['luis_samples'] = 'MIT (Azure-Samples/cognitive-services-language-understanding)'
R = 'Azure-Samples+cognitive-services-language-understanding'
for p in listing(R):
    if p.endswith('.json') and ('custom' in p or 'tutorial' in p or 'example-app' in p) and 'deps' not in p and 'lock' not in p:
        try: d = json.loads(show(R, p).lstrip('\ufeff'))
        except Exception: continue
        if isinstance(d, dict):
            for u in d.get('utterances', []):
                if isinstance(u, dict) and u.get('intent') and u['intent'] != 'None': add('luis_samples', u['intent'], u.get('text', ''))

# Rasa
import yaml
LICENCE['rasa'] = 'Apache-2.0 (RasaHQ/NLU-training-data, financial-demo, helpdesk-assistant)'
for R in ('RasaHQ+NLU-training-data', 'RasaHQ+financial-demo', 'RasaHQ+helpdesk-assistant'):
    for p in listing(R):
        if p.endswith('.yml') and 'nlu' in p:
            try: d = yaml.safe_load(show(R, p))
            except Exception: continue
            for it in (d or {}).get('nlu', []) or []:
                if 'intent' not in it or not isinstance(it.get('examples'), str): continue
                for line in it['examples'].split('\n'):
                    t = re.sub(r'^\s*-\s*', '', line); t = re.sub(r'\[([^\]]*)\](\([^)]*\)|\{[^}]*\})', r'\1', t)
                    if t.strip(): add('rasa', it['intent'].lower().replace('/', '_').replace('-', '_'), t, words_of(it['intent']))

# Thingpedia
LICENCE['thingpedia'] = 'BSD-3-Clause (stanford-oval/thingpedia-common-devices)'
R = 'stanford-oval+thingpedia-common-devices'
rnd = random.Random(5)
FILL = {'NUMBER': ['two', 'five', '10', 'twenty', '100'], 'QUOTED_STRING': ['summer', 'the meeting', 'hello world', 'blue sky', 'news', 'work'],
        'TIME': ['7 am', 'noon', '5 pm'], 'DATE': ['tomorrow', 'monday', 'may 3rd'], 'DURATION': ['ten minutes', 'two hours'], 'USERNAME': ['anna', 'bob'],
        'HASHTAG': ['cats', 'sunset'], 'URL': ['the page'], 'LOCATION': ['paris', 'new york', 'boston'], 'PATH_NAME': ['notes', 'photos'], 'EMAIL_ADDRESS': ['bob'],
        'PHONE_NUMBER': ['555 1234'], 'CURRENCY': ['20 dollars'], 'MEASURE': ['ten']}
def fill(t):
    def one(m):
        k = m[1]
        for key, v in FILL.items():
            if k.startswith(key): return rnd.choice(v)
        return rnd.choice(['it', 'that one'])
    return re.sub(r'\b([A-Z][A-Z_]+)_\d+\b', one, t)
for p in listing(R):
    if p.endswith('paraphrase.tsv'):
        for line in show(R, p).split('\n'):
            c = line.split('\t')
            if len(c) < 3: continue
            t, prog = (c[2], c[3]) if len(c) > 3 else (c[1], c[2])
            prog = re.sub(r'@org\.thingpedia\.dialogue\.transaction', '', prog)
            fs = sorted(set(re.findall(r'@([\w.\-]+) \. (\w+)', prog)))
            if len(fs) != 1 or len(re.findall(r'\b[A-Z_]+_\d+\b', t)) > 1: continue
            mon = ('monitor ' if 'monitor (' in prog else '')
            dev = fs[0][0].split('.')[-1]
            add('thingpedia', f'{mon}{fs[0][0]}.{fs[0][1]}', fill(t), f'{mon}{dev} {fs[0][1]}'.replace('_', ' ').replace('-', ' '))

# MindMeld test applications
LICENCE['mindmeld'] = 'Apache-2.0 (cisco/mindmeld tests)'
R = 'cisco+mindmeld'
for p in listing(R):
    m = re.match(r'tests/(home_assistant|kwik_e_mart)/domains/(\w+)/(\w+)/(train|test)\.txt', p)
    if m:
        for line in show(R, p).split('\n'):
            t = re.sub(r'\{([^|{}]*)(\|[^{}]*)?\}', r'\1', line); t = re.sub(r'\{([^|{}]*)(\|[^{}]*)?\}', r'\1', t)
            add('mindmeld', m[2] + '.' + m[3], t, m[3].replace('_', ' '))

# Home Assistant tests
LICENCE['homeassistant'] = 'CC-BY-4.0 (home-assistant/intents)'
R = 'home-assistant+intents'
for p in listing(R):
    if re.match(r'tests/en/.+\.ya?ml', p):
        try: d = yaml.safe_load(show(R, p))
        except Exception: continue
        for t in (d or {}).get('tests', []) or []:
            it = (t.get('intent') or {}).get('name'); ss = t.get('sentences', [])
            for s in ([ss] if isinstance(ss, str) else ss):
                if it and not re.search(r'[<>\[\]{}|()]', s): add('homeassistant', it, s, words_of(it.replace('Hass', '')))

# Made-up requests
import grammar
LICENCE['made-up'] = 'our own (grammar.py)'
for key, name, texts in grammar.make():
    for t in texts: add('made-up', key, t, name)

# --- scored sets: drop equal and near
scored = set()
def rows(path):
    with open(path, encoding='utf-8', newline='') as f: yield from csv.reader(f)
for f in ('banking77_train.csv', 'banking77_test.csv'):
    for r in list(rows(f'{SCORED}/{f}'))[1:]: scored.add(norm(r[0]))
for part in json.load(open(f'{SCORED}/clinc150.json')).values():
    for t, _ in part: scored.add(norm(t))
for fold in json.load(open(f'{SCORED}/nlupp_banking.json'))['folds']:
    for l in fold: scored.add(norm(l['text']))
print('scored sentences', len(scored))
sets = [frozenset(s.split()) for s in scored]
index = defaultdict(list)
df = Counter(w for s in sets for w in s)
for i, s in enumerate(sets):
    for w in s: index[w].append(i)
def near(t):
    w = frozenset(t.split())
    if not w: return False
    # Jaccard > 0.8 shares more than 0.8 of either's words: one of the rarest fifth and one more is shared
    order = sorted(w, key=lambda x: df.get(x, 0))
    keep = order[:len(w) - int(0.8 * len(w)) + 1]
    seen = set()
    for x in keep:
        for i in index.get(x, ()):
            if i in seen: continue
            seen.add(i); s = sets[i]; inter = len(w & s)
            if inter > 0.8 * (len(w) + len(s) - inter): return True
    return False

CAP = {'hwu64+slurp': 250, 'multidogo': 250, 'thingpedia': 120, 'snips': 300, 'chitchat': 200}
rnd = random.Random(1)
out, report, vocab = [], [], Counter()
for ds, intents in DATA.items():
    raw = sum(map(len, intents.values())); eq = nr = dup = small = capped = 0; kept_n = 0; k = 0
    owner = {}
    for intent, texts in intents.items():
        for t in texts: owner.setdefault(norm(t), set()).add(intent)
    for intent, texts in intents.items():
        seen, kept = set(), []
        for t in texts:
            n = norm(t)
            if not n or n in seen or len(owner[n]) > 1: dup += 1; continue
            seen.add(n)
            if n in scored: eq += 1; continue
            if near(n): nr += 1; continue
            kept.append(t)
        if len(kept) < 4: small += len(kept); continue
        cap = CAP.get(ds, 150)
        if len(kept) > cap: capped += len(kept) - cap; rnd.shuffle(kept); kept = kept[:cap]
        name = NAMES.get((ds, intent), '')
        if name and (norm(name) in scored or near(norm(name))): name = ''
        out.append({'set': ds, 'intent': intent, 'name': name, 'texts': kept}); kept_n += len(kept); k += 1
    report.append((ds, LICENCE[ds], k, raw, dup, eq, nr, small, capped, kept_n))
print('| set | licence | intents kept | raw | repeated or ambiguous | equal to scored | near scored | intents under 4 | over cap | kept |')
for r in report: print('|', ' | '.join(map(str, r)), '|')
print('total', sum(r[2] for r in report), 'intents', sum(r[-1] for r in report), 'sentences; dropped equal', sum(r[5] for r in report), 'near', sum(r[6] for r in report))
json.dump(out, gzip.open(f'{HERE}/train.json.gz', 'wt'))
json.dump(report, open(f'{HERE}/datasets.json', 'w'))

# Held-out set for selection: ACID (no licence is stated: it is only measured on, never trained on)
acid = {p: [(clean(r[1]), r[0].lower()) for r in csv.reader(io.StringIO(show('AmFamMLTeam+ACID', f'customer_{p}.csv'))) if len(r) == 2][1:] for p in ('training', 'testing')}
print('acid', {k: (len(v), len({l for _, l in v})) for k, v in acid.items()})
json.dump({'acid': acid, 'hwu64': HWU_EVAL}, gzip.open(f'{HERE}/dev.json.gz', 'wt'))
