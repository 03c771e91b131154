"""Chat templates in GGUF files: what only places messages passes, whatever else it is does not."""

import struct
from pathlib import Path

import pytest

from holdfast.formats.scanner import scan


def _gguf(template: bytes, key: bytes = b"tokenizer.chat_template") -> bytes:
    value = struct.pack("<IQ", 8, len(template)) + template
    return b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, len(key)) + key + value


_HONEST = {
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "llama": "{{- bos_token }}\n{%- if messages[0]['role'] == 'system' %}\n"
    "{%- set system_message = messages[0]['content'] | trim %}\n"
    "{%- set messages = messages[1:] %}\n{%- else %}\n{%- set system_message = '' %}\n{%- endif %}"
    "{%- if not tools is defined %}{%- set tools = none %}{%- endif %}"
    "{%- for message in messages %}\n{%- if not (message.role == 'ipython' or "
    "message.role == 'tool' or 'tool_calls' in message) %}"
    "{{- '<|start|>' + message['role'] + '<|end|>\\n\\n' + message['content'] | trim + '<|eot|>' }}"
    "{%- elif message.tool_calls %}{%- if not message.tool_calls | length == 1 %}"
    "{{- raise_exception('one call at a time') }}{%- endif %}"
    "{%- set call = message.tool_calls[0].function %}{{- call.name ~ call.arguments | tojson }}"
    "{%- endif %}\n{%- endfor %}",
    "mistral": "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ raise_exception('a role that is not known') }}{% endif %}{% endfor %}",
    "qwen": "{%- set ns = namespace(multi_step=true, last_query=messages|length - 1) %}"
    "{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}"
    "{%- if ns.multi_step and message.role == 'user' and message.content is string and "
    "not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}"
    "{%- set ns.multi_step = false %}{%- set ns.last_query = index %}{%- endif %}{%- endfor %}"
    "{%- if '</think>' in messages[0].content %}"
    "{{- messages[0].content.split('</think>')[-1].lstrip('\\n') }}{%- endif %}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '' }}{%- endif %}",
    "gemma": "{{ bos_token }}{% for message in messages %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<turn>' + role + '\\n' + (message['content'] | trim) + '<end>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<turn>model\\n' }}{% endif %}",
    "with tools": "{% for tool in tools %}{% for key, value in tool.parameters.items() %}"
    "{{ key }}: {{ value | tojson(indent=2) }}{{ {'a': [1, {'b': 2}]} | tojson }}{% endfor %}"
    "{{ messages | join(', ') }}{{ tools | join() }}"
    "{% else %}none{% endfor %}{# a remark #}{% set text %}x{% endset %}{{ text }}",
    "words alone": "nothing to fill in",
}

_HOSTILE = {
    "concatenated": "{{ ''['__cla' + 'ss__'] }}",
    "joined": "{{ ''[['__cl', 'ass__'] | join] }}",
    "tilde": "{{ ''['_' ~ '_class_' ~ '_'] }}",
    "hexadecimal": "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "octal": "{{ ''['\\137\\137class\\137\\137'] }}",
    "unicode": "{{ ''['\\u005f\\u005fclass\\u005f\\u005f'] }}",
    "named": "{{ ''['\\N{LOW LINE}\\N{LOW LINE}class'] }}",
    "map": "{{ [''] | map(attribute='__class__') | list }}",
    "map, in pieces": "{{ [''] | map(attribute='_' + '_class_' + '_') | list }}",
    "map of attr": "{{ [''] | map('attr', '_' + '_class_' + '_') | list }}",
    "sort": "{{ [''] | sort(attribute='_' ~ '_class_' ~ '_') }}",
    "selectattr": "{{ [''] | selectattr('_' ~ '_class_' ~ '_') | list }}",
    "groupby": "{{ [''] | groupby('_' ~ '_class_' ~ '_') }}",
    "format": "{{ '{0.__class__}'.format('') }}",
    "format, in pieces": "{{ ('{0._' + '_class_' + '_}').format('') }}",
    "format as a filter": "{{ '%s' | format('') }}",
    "percent": "{{ '%c%cclass' % (95, 95) }}",
    "attr": "{{ '' | attr('__class__') }}",
    "attr, in pieces": "{{ ''|attr('_'*2 + 'class' + '_'*2) }}",
    "dot": "{{ ''.__class__ }}",
    "variable": "{% set n = '_' ~ '_class_' ~ '_' %}{{ ''[n] }}",
    "a loop's": "{% for n in ['_' ~ '_class_' ~ '_'] %}{{ ''[n] }}{% endfor %}",
    "cycler": "{{ cycler.next }}",
    "globals": "{{ lipsum.func_globals }}",
    "self": "{{ self.x }}",
    "frame": "{% set ns = namespace(gi_frame=1) %}{{ (messages | reverse).gi_frame }}",
    "named like a field": "{% set mro = 1 %}{{ messages.mro }}",
    "import": "{% import 'x' as y %}",
    "include": "{% include '/etc/passwd' %}",
    "macro": "{% macro x() %}{% endmacro %}",
    "raw": "{% raw %}{{ x }}{% endraw %}",
    "wide letters": "{{ messages.\uff3f\uff3fclass\uff3f\uff3f }}",
    "call of a value": "{{ (messages[0])() }}",
    "function held": "{{ raise_exception }}",
    "text of gigabytes": "{{ 'x' * 999999999 }}",
    "field of a number": "{{ 1 .real }}",
    "a function's": "{{ strftime_now.__globals__ }}",
    "a method held": "{{ 'a'.split.__self__ }}",
    "a class in a space of names": "{{ namespace(__class__=1) }}",
    "set in a space of names": "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "a loop that calls itself": "{% for x in messages recursive %}{{ loop(x) }}{% endfor %}",
    "join by an attribute": "{{ messages | join(attribute='x') }}",
    "join by a second argument": "{{ tools | join('', 'x') }}",
    "join by an attribute in pieces": "{{ tools | join(attribute='_' ~ '_class_' ~ '_') }}",
    "call block": "{% call x() %}{% endcall %}",
    "a key of a computed name": "{{ tools[messages[0].content] }}",
    "other space between": "{{\x0cmessages.\u2028__class__ }}",
    "a comment within": "{{ messages {# #} }}",
    "no end": "{% for x in messages %}",
    "no end of braces": "{{ messages",
    "no end of a remark": "{# messages",
    "no value": "{{ }}",
    "no close": "{{ messages messages }}",
    "loop as a name": "{% set loop = 1 %}",
    "no number": "{{ messages['\\n'] }}",
    "too deep": "{{ " + "(" * 99 + "1" + ")" * 99 + " }}",
    "too long": "{{ 1 }}" * 20_000,
}


@pytest.mark.parametrize("template", _HONEST.values(), ids=_HONEST)
def test_templates_that_place_messages_pass(template: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(_gguf(template.encode()))

    result = scan(path)

    assert result.kind == "gguf"
    assert result.unknown == ()
    assert not result.executes_code


@pytest.mark.parametrize("template", _HOSTILE.values(), ids=_HOSTILE)
def test_other_templates_need_trust(template: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(_gguf(template.encode(), b"tokenizer.chat_template.tools"))

    result = scan(path)

    assert any("chat template" in line for line in result.unknown)
    assert result.executes_code


def test_a_template_that_is_no_text_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(_gguf(b"\xff{{ messages }}"))

    assert scan(path).unknown
