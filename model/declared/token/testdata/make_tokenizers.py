"""Makes the tokenizer files beside this script and cases.json: texts with the ids that the Python package `tokenizers`
gives them. The corpus is written here, so the files are free of anyone's rights. Run: pip install tokenizers==0.23.3;
python make_tokenizers.py
"""
import json, os, random
os.chdir(os.path.dirname(os.path.abspath(__file__)))
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = """
The quick brown fox jumps over the lazy dog, and the dog doesn't mind. It's 3.14 past nine; we'll see what they've done.
My card hasn't arrived yet: can I track it? Please transfer $1,250.00 to account 12-34-56 before 31/12/2026!
Tokenizers split unbelievable words into pieces - antidisestablishmentarianism, electroencephalograph, internationalization.
def encode(text): return [vocab[t] for t in text.split() if t in vocab]  # code, too (with brackets) {and} <tags>
Où est la bibliothèque? Le garçon a mangé une crêpe à l'été; c'était délicieux, naïve façade, cœur, Noël.
Fünf große Wörter über Öl und Straßenbahnhaltestellenschilder; die Größe der Mädchen ist maßgeblich.
El niño pequeño corrió rápidamente por la montaña. ¿Dónde está el baño? ¡Qué día más extraño!
Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy. Pijamalı hasta yağız şoföre çabucak güvendi. İstanbul.
Съешь же ещё этих мягких французских булок, да выпей чаю. Мой дядя самых честных правил.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Οι άνθρωποι είναι ελεύθεροι.
我们今天去公园散步,天气很好。机器学习模型可以处理中文文本。東京都の人口は約千四百万人です。こんにちは世界。カタカナ。
안녕하세요 세계. 기계 학습은 재미있습니다. नमस्ते दुनिया, यह एक परीक्षण है। สวัสดีชาวโลก مرحبا بالعالم שלום עולם
The models were trained, the modelling goes on; trainers train training sets. Lower, lowest, newer, newest, wider, widest.
"""
random.seed(1)
lines = [l for l in CORPUS.strip().splitlines()]

CASES = lines + [
    "", " ", "\t\n\r", "a", "A", "hello world", "Hello,World!!", "  two  spaces   here ", "don't can't we'll they've I'm you'd",
    "naïve café crème brûlée", "NAÏVE CAFÉ", "e\u0301 a\u0308 n\u0303 combining", "ǅ Ǆ ǆ ß ẞ ŉ ﬁ ﬂ", "İi Iı", "ΑΣΣΟΣ ΟΔΥΣΣΕΥΣ",
    "中文 mixed 和 English文本", "𠀀𠀁 rare ideographs 㐀 豈", "日本語テスト です", "한국어 테스트", "ไทย ภาษา", "العربية", "עברית",
    "😀 emoji 👩‍👩‍👧‍👦 family 🇩🇪 flag", "a\u200bb zero\u200dwidth \ufeffbom soft\u00adhyphen", "ctrl\x01\x02chars\x7f", "nul\x00byte",
    "\ufffdreplacement", "private \ue000 use", "nbsp\u00a0here\u3000ideographic\u2003em", "line\u2028sep\u2029para\x85nel",
    "tab\there\nnewline\r\ncrlf\x0bvt\x0cff", "1234567890", "3.14159", "1,000,000", "x=1+2*3/4-5^6|7&8~9", "$100 €200 £300 ¥400 ₹500",
    "\"quoted\" 'single' “curly” ‘curly’ «guillemets» — em – en … ellipsis", "[CLS] literal [SEP] and [MASK] [UNK] [PAD]", "[cls] [Mask]",
    "pre[MASK]post [MASK] .", "<|endoftext|>", "a<|endoftext|>b", "a" * 100, "a" * 101, "ab" * 60, "unknownzzzqqqxxx", "é" * 100, "antidisestablishmentarianisms",
    "snake_case camelCase kebab-case", "http://example.org/path?q=1&r=2#frag", "user@example.org", "C++ C# .NET", "½ ² ³ ① Ⅷ ٣ ३",
    "A\u030a vs \u00c5 vs \u212b", "\u1e9b\u0323", "ﬃ ligature", "ẛ̣", "ａｂｃ fullwidth １２３", "¡¿†‡•‰′″‹›⁂", "٪؟،", "。、！？；：「」",
    "The", "the", " the", "the ", "  the", "\n\nthe\n", "'s", " 's", "it's's", "I'LL WE'RE", "123abc456", "abc123def", "a1b2c3", "!!!???", " !", "! ",
    "x" * 300, "word " * 60, "\u0301start", "a\u0301\u0302\u0303stack", "Ĳ ĳ ŀ ŉ", "\U0001d400\U0001d401 math", "\U0001f600\u200d\u2642\ufe0f",
    "hello\u0000\u0000", "\u00a0", "\u00ad", "\u200b", "\u0301", "\ufffd", "ÅÄÖ åäö", "Straße STRASSE", "ʼn ʻokina", "q̃", "Ω Ω K Å",
]
alphabet = [c for l in lines for c in l] + list("  \t\n'.,!?[]()-_0123456789") + list("éßÅ中あ한🙂\u0301\u200b\u00a0")
for n in range(300):
    CASES.append("".join(random.choice(alphabet) for _ in range(random.randrange(1, 40))))


def bert(lower, accents=None, chinese=True):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=chinese, strip_accents=accents, lowercase=lower)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=700, special_tokens=special, show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", t.token_to_id("[SEP]")), ("[CLS]", t.token_to_id("[CLS]")))
    return t


def gpt2(prefix=False):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=700, special_tokens=["<|endoftext|>"], show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def roberta():
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    t.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>")), add_prefix_space=True)
    return t


out = {"texts": CASES, "ids": {}}
for name, t in {"bert-uncased": bert(True), "bert-cased": bert(False), "gpt2": gpt2(), "roberta": roberta()}.items():
    t.save(name + ".json")
    out["ids"][name] = [t.encode(x).ids for x in CASES]
    if name.startswith("bert"):
        vocab = sorted(t.get_vocab().items(), key=lambda kv: kv[1])
        assert [i for _, i in vocab] == list(range(len(vocab)))
        with open(name + ".vocab.txt", "w", encoding="utf-8") as f:
            f.writelines(k + "\n" for k, _ in vocab)
json.dump(out, open("cases.json", "w"), ensure_ascii=True, separators=(",", ":"))
