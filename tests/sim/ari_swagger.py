# SPDX-License-Identifier: MIT
"""ari_swagger.py – Asterisk's own Swagger 1.2 files as a judge.

Checks what the simulator emits (its own faults) and what a client requests
(the client's faults). The files live outside this repository, in
../shared/specs/ari; without them nothing is checked and `present` is false.
"""
import json
import pathlib
import re

SPECS = pathlib.Path(__file__).resolve().parents[3] / 'shared/specs/ari'
DATE = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}')
SIMPLE = {'string': str, 'int': int, 'long': int, 'double': (int, float),
          'boolean': bool, 'object': dict}


class Swagger:
    def __init__(self, folder=SPECS):
        self.models, self.operations = {}, []
        for path in sorted(pathlib.Path(folder).glob('*.json')):
            spec = json.loads(path.read_text())
            self.models.update(spec.get('models', {}))
            for api in spec.get('apis', ()):
                pattern = re.sub(r'\{(\w+)\}', r'(?P<\1>[^/]+)', api['path'])
                for operation in api.get('operations', ()):
                    self.operations.append((operation['httpMethod'],
                                            re.compile(pattern), operation))
        # A literal path beats a template: /channels/externalMedia.
        self.operations.sort(key=lambda o: o[1].groups)

    @property
    def present(self):
        return bool(self.models)

    def find(self, method, path):
        """(operation, path parameters) or (None, {})."""
        for verb, pattern, operation in self.operations:
            match = pattern.fullmatch(path)
            if match and verb == method:
                return operation, match.groupdict()
        return None, {}

    def event(self, event):
        """Problems of an event that Asterisk would send; [] if none."""
        if not self.present:
            return []
        kind = event.get('type')
        if kind not in self.models['Event']['subTypes'] + ['RESTResponse']:
            return [f'{kind!r} is no event']
        return list(self._model(kind, event, kind))

    def response(self, method, path, body):
        """Problems of a successful answer's body."""
        operation, _ = self.find(method, path)
        if operation is None:
            return []
        kind = operation['responseClass']
        if kind == 'void':
            return [] if body is None else ['void, but has a body']
        return list(self._value(kind, body, kind))

    def request(self, method, path, query, body):
        """Problems of a request: operation, names, values, what is missing."""
        if not self.present:
            return []
        operation, given = self.find(method, path)
        if operation is None:
            return ['no such operation']
        parameters = {p['name']: p for p in operation.get('parameters', ())}
        given = {**query, **given}
        given.pop('api_key', None)
        if isinstance(body, dict):
            given.update(body)
        problems = [f'unknown parameter {name}' for name in given
                    if name not in parameters and not
                    (method == 'PUT' or name == 'fields')]
        for name, spec in parameters.items():
            if name not in given:
                if spec['required']:
                    problems.append(f'{name} is missing')
                continue
            problems += self._parameter(name, spec, given[name])
        return problems

    @staticmethod
    def _parameter(name, spec, value):
        values = value if isinstance(value, list) else [value]
        if len(values) > 1 and not spec.get('allowMultiple'):
            return [f'{name} is given more than once']
        allowed = (spec.get('allowableValues') or {}).get('values')
        kind = spec['dataType']
        problems = []
        for one in values:
            if allowed and one not in allowed:
                problems.append(f'{name} is {one!r}, not one of {allowed}')
            if kind in ('int', 'long') and not re.fullmatch(r'-?\d+',
                                                            str(one)):
                problems.append(f'{name} is {one!r}, not a number')
            if kind == 'boolean' and str(one).lower() not in (
                    'true', 'false', 'yes', 'no', '1', '0'):
                problems.append(f'{name} is {one!r}, not a boolean')
        return problems

    def _properties(self, kind):
        """Own and inherited: subTypes is how Swagger 1.2 says 'extends'."""
        found = dict(self.models[kind].get('properties', {}))
        for name, model in self.models.items():
            if kind in model.get('subTypes', ()):
                found.update(self._properties(name))
        return found

    def _model(self, kind, value, where):
        if not isinstance(value, dict):
            yield f'{where} is no object'
            return
        properties = self._properties(kind)
        for name, spec in properties.items():
            if name in value:
                allowed = (spec.get('allowableValues') or {}).get('values')
                if allowed and value[name] not in allowed:
                    yield f'{where}.{name} is {value[name]!r}'
                yield from self._value(spec['type'], value[name],
                                       f'{where}.{name}')
            elif spec.get('required'):
                yield f'{where}.{name} is missing'
        for name in value:
            if name not in properties:
                yield f'{where}.{name} is unknown'

    def _value(self, kind, value, where):
        listed = re.fullmatch(r'List\[(\w+)\]', kind)
        if listed:
            if not isinstance(value, list):
                yield f'{where} is no list'
                return
            for i, item in enumerate(value):
                yield from self._value(listed[1], item, f'{where}[{i}]')
        elif kind == 'Date':
            if not isinstance(value, str) or not DATE.fullmatch(value):
                yield f'{where} is {value!r}, not a date'
        elif kind in SIMPLE:
            number = kind in ('int', 'long', 'double')
            if not isinstance(value, SIMPLE[kind]) or (
                    number and isinstance(value, bool)):
                yield f'{where} is {value!r}, not {kind}'
        elif kind in self.models:
            yield from self._model(kind, value, where)
        else:
            yield f'{where}: unknown type {kind}'
