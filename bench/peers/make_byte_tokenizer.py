"""Writes the tokenizer of models whose tokens are bytes, with byte 0 before a text: python make_byte_tokenizer.py FOLDER."""
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

# The printable characters that stand for bytes in byte-level tokenizers, by byte.
printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
shifted = iter(range(256, 512))
characters = [chr(byte if byte in printable else next(shifted)) for byte in range(256)]
tokenizer = Tokenizer(models.BPE(vocab={character: byte for byte, character in enumerate(characters)}, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
tokenizer.decoder = decoders.ByteLevel()
PreTrainedTokenizerFast(
    tokenizer_object=tokenizer, bos_token=characters[0], eos_token=characters[0], model_max_length=256,
    chat_template="{% for message in messages %}{{ message['content'] }}{% endfor %}",
).save_pretrained(sys.argv[1])
