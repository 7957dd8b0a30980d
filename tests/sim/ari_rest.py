# SPDX-License-Identifier: MIT
"""ari_rest.py – ARI's operations: one function each, refusals as the real one.

dispatch() is the whole of it, for HTTP and for REST over the WebSocket. What
ARI has and a voice agent does not use answers 501 and is remembered in
sim.unimplemented.
"""
import ipaddress
import json
import re
import socket
import urllib.parse

from . import rtp
from .ari_model import ASTERISK_ID, Channel, now_text

REASONS = {'normal': 16, 'busy': 17, 'congestion': 34, 'no_answer': 19,
           'timeout': 102, 'rejected': 21, 'unallocated': 1,
           'normal_unspecified': 31, 'number_incomplete': 28,
           'codec_mismatch': 58, 'interworking': 127, 'failure': 38,
           'answered_elsewhere': 26}
KNOWN_FORMATS = {'g722', 'gsm', 'g729', 'opus', 'slin12', 'slin24', 'slin32',
                 'slin44', 'slin48', 'slin96', 'slin192', 'ilbc', 'g726'}
MODULES = {'chan_rtp.so': 'RTP Media Channel',
           'res_ari.so': 'Asterisk RESTful Interface',
           'res_ari_applications.so': 'RESTful API module - Applications',
           'res_ari_asterisk.so': 'RESTful API module - Asterisk',
           'res_ari_bridges.so': 'RESTful API module - Bridge resources',
           'res_ari_channels.so': 'RESTful API module - Channel resources',
           'res_ari_events.so': 'RESTful API module - WebSocket resource',
           'res_ari_playbacks.so': 'RESTful API module - Playback control',
           'res_ari_model.so': 'ARI Model validators',
           'res_stasis.so': 'Stasis application support',
           'res_stasis_answer.so': 'Stasis application answer support',
           'res_stasis_playback.so': 'Stasis application playback support',
           'res_http_websocket.so': 'HTTP WebSocket Support',
           'app_stasis.so': 'Stasis dialplan application',
           'codec_ulaw.so': 'mu-Law Coder/Decoder',
           'codec_alaw.so': 'A-law Coder/Decoder'}
INTERNAL = 'An internal error prevented this request from being handled'
BRIDGE_TYPES = {'mixing', 'holding', 'dtmf_events', 'proxy_media',
                'video_sfu', 'video_single', 'sdp_label'}
NOT_IN_STASIS = 'Channel not in Stasis application'


class AriError(Exception):
    def __init__(self, status, message, member='message'):
        super().__init__(message)
        self.status, self.body = status, {member: message}


class Created(dict):
    """A result that is answered with 201."""


class Params(dict):
    """Path, query and body parameters of one request, lists joined."""

    def need(self, name, message=None):
        value = self.get(name)
        if value in (None, ''):
            raise AriError(400, message or f'{name} is required')
        return value

    def flag(self, name):
        return str(self.get(name, '')).lower() in ('true', 'yes', '1')

    def many(self, name):
        value = self.get(name) or []
        value = value if isinstance(value, list) else [value]
        return [v for item in value for v in str(item).split(',') if v]

    def number(self, name):
        try:
            return int(self[name]) if self.get(name) else None
        except ValueError:
            return None

    def variables(self):
        """name -> text of the body's variables; AriError if malformed."""
        found = self.get('variables') or {}
        if not isinstance(found, dict) or not all(
                isinstance(v, (str, int, float)) for v in found.values()):
            raise AriError(400, 'Only string values in the \'variables\' '
                                'object allowed')
        return {name: str(value) for name, value in found.items()}


ROUTES = []


def route(method, path):
    pattern = re.compile(re.sub(r'\{(\w+)\}', r'(?P<\1>[^/]+)', path))

    def add(function):
        ROUTES.append((method, pattern, function))
        return function
    return add


def find_route(method, path):
    """(function or None, path parameters, methods of this path)."""
    methods = set()
    for verb, pattern, function in ROUTES:
        match = pattern.fullmatch(path)
        if match:
            methods.add(verb)
            if verb == method:
                return function, {k: urllib.parse.unquote(v) for k, v
                                  in match.groupdict().items()}, methods
    return None, {}, methods


def dispatch(sim, method, path, query, content_type, body):
    """Do one request: (status, JSON value or None). Query: name -> [values].
    The path has no /ari and is not percent-decoded."""
    try:
        if path != '/' and path.endswith('/'):
            raise AriError(404, 'ARI URLs do not end with a slash. '
                                f'Try /ari{path.rstrip("/")}')
        params = Params({n: v[0] if len(v) == 1 else v
                         for n, v in query.items()})
        fields = _parse_body(content_type, body)
        sim.judge_request(method, urllib.parse.unquote(path), params, fields)
        params.update(fields)
        function, found, methods = find_route(method, path)
        if function is None:
            _refuse_route(sim, method, path, methods)
        params.update(found)
        result = function(sim, sim.model, params)
        if result is None:
            return 204, None
        return 201 if isinstance(result, Created) else 200, result
    except AriError as error:
        return error.status, error.body


def _parse_body(content_type, body):
    kind = (content_type or '').partition(';')[0].strip().lower()
    if not body:
        return {}
    if kind == 'application/x-www-form-urlencoded':
        return {n: v[0] for n, v in
                urllib.parse.parse_qs(body.decode('utf-8',
                                                  'replace')).items()}
    if kind != 'application/json':
        return {}
    if len(body) > 4096 * 16:
        raise AriError(413, 'Request body too large')
    try:
        fields = json.loads(body)
    except ValueError:
        raise AriError(400, 'Error parsing request body') from None
    return fields if isinstance(fields, dict) else {}


def _refuse_route(sim, method, path, methods):
    if methods:
        raise AriError(405, 'Invalid method')
    operation, _ = sim.swagger.find(method, path)
    if operation or re.fullmatch(
            r'/(recordings|deviceStates|endpoints|mailboxes|sounds)(/.*)?',
            path):
        sim.unimplemented.append((method, path))
        raise AriError(501, 'unimplemented in sim')
    raise AriError(404, 'Resource not found')


def _channel(model, params, in_stasis=True):
    channel = model.channels.get(params['channelId'])
    if channel is None:
        raise AriError(404, 'Channel not found')
    if in_stasis and channel.app is None:
        raise AriError(409, NOT_IN_STASIS)
    return channel


def _bridge(model, params):
    bridge = model.bridges.get(params['bridgeId'])
    if bridge is None:
        raise AriError(404, 'Bridge not found')
    return bridge


# channels --------------------------------------------------------------------

@route('GET', '/channels')
def _channels(_sim, model, _params):
    return [c.snapshot() for c in model.channels.values()]


@route('POST', '/channels')
def _originate(_sim, model, params):
    endpoint = params.need('endpoint', 'Endpoint must be specified')
    tech, slash, resource = endpoint.partition('/')
    if not tech or not slash or not resource:
        raise AriError(400, 'Invalid endpoint specified')
    name = params.need('app', 'Application or extension must be specified')
    ident = params.get('channelId') or model.new_id()
    if ident in model.channels:
        raise AriError(409, 'Channel with given unique ID already exists')
    originator = params.get('originator')
    if originator and originator not in model.channels:
        raise AriError(400, 'Originator channel not found.')
    timeout = params.number('timeout')
    made = model.dialler.originate(
        Channel, ident, endpoint, name, params.many('appArgs'),
        _caller_id(params.get('callerId') or ''),
        30 if timeout is None else timeout, params.variables())
    if made is None:
        raise AriError(500, 'Allocation failed', 'error')
    return made


def _caller_id(text):
    """'"Ana" <300>' or '300'."""
    match = re.fullmatch(r'\s*"?([^"<]*?)"?\s*<([^>]*)>\s*', text)
    return {'name': match[1], 'number': match[2]} if match else \
        {'name': '', 'number': text.strip()}


@route('GET', '/endpoints/{tech}/{resource}')
def _endpoint(sim, _model, params):
    if f"{params['tech']}/{params['resource']}" not in sim.people:
        raise AriError(404, 'Endpoint not found')
    return {'technology': params['tech'], 'resource': params['resource'],
            'state': 'online', 'channel_ids': []}


@route('POST', '/channels/externalMedia')
def _external_media(sim, model, params):
    name = params.need('app', 'app cannot be empty')
    fmt = params.need('format', 'format cannot be empty')
    host = params.need('external_host', 'external_host is required for all '
                       'but websocket server connections')
    wanted = [params.get(n) or d for n, d in (
        ('encapsulation', 'rtp'), ('transport', 'udp'),
        ('connection_type', 'client'))]
    if wanted[0] == 'rtp' and wanted[1] != 'udp':
        raise AriError(400, "transport must be 'udp' for rtp encapsulation")
    if wanted[2] == 'server' and wanted[1] != 'websocket':
        raise AriError(400, "'server' connection_type can only be used with "
                            'the websocket transport')
    if wanted != ['rtp', 'udp', 'client']:
        sim.unimplemented.append(('externalMedia', ' '.join(wanted)))
        raise AriError(501, 'The encapsulation and/or transport is not '
                            'supported')
    address, port = _host_port(host)
    ident = params.get('channelId') or model.new_id()
    if ident in model.channels:
        raise AriError(500, INTERNAL)   # run on 22.10.1; newer: 409
    if fmt in KNOWN_FORMATS:
        sim.unimplemented.append(('format', fmt))
        raise AriError(501, f'format {fmt} is unimplemented in sim')
    if fmt not in rtp.PAYLOAD_TYPE:
        raise AriError(500, INTERNAL)
    args = params['data'].split(',') if params.get('data') else []
    return model.external_media(ident, name, fmt, (address, port),
                                params.variables(), args)


def _host_port(text):
    host, colon, port = text.rpartition(':')
    if not colon or not port.isdigit():
        raise AriError(400, 'external_host must be <host>:<port> for all '
                            'transports other than websocket')
    host, port = host.strip('[]'), int(port) % 65536    # it does not check
    try:
        return str(ipaddress.ip_address(host)), port
    except ValueError:
        pass
    try:
        return socket.gethostbyname(host), port
    except OSError:
        raise AriError(500, INTERNAL) from None


@route('GET', '/channels/{channelId}')
def _channel_get(_sim, model, params):
    return _channel(model, params, in_stasis=False).snapshot()


@route('DELETE', '/channels/{channelId}')
def _channel_hangup(_sim, model, params):
    channel = _channel(model, params, in_stasis=False)
    code, reason = params.get('reason_code'), params.get('reason')
    if code and reason:
        raise AriError(400, 'The reason and reason_code can\'t both be '
                            'specified')
    if reason and reason not in REASONS:
        raise AriError(400, 'Invalid reason for hangup reason provided')
    if code and (not code.isdigit() or not 0 < int(code) < 128):
        raise AriError(400, 'Invalid reason for hangup reason code provided')
    cause = int(code) if code else REASONS[reason or 'normal']
    model.hangup(channel, cause, True, 'agent')


@route('POST', '/channels/{channelId}/continue')
def _channel_continue(sim, model, params):
    channel = _channel(model, params)
    target = (params.get('context'), params.get('extension'),
              params.number('priority'))
    sim.continued.append((channel.id, *target))
    model.later(0.001, model.continue_in_dialplan, channel, *target)


@route('POST', '/channels/{channelId}/answer')
def _channel_answer(_sim, model, params):
    model.answer(_channel(model, params))


@route('POST', '/channels/{channelId}/ring')
def _channel_ring(_sim, model, params):
    channel = _channel(model, params)
    if channel.phone:
        channel.phone.ring()


@route('DELETE', '/channels/{channelId}/ring')
def _channel_ring_stop(_sim, model, params):
    channel = _channel(model, params)
    if channel.phone:
        channel.phone.note('ring stopped')


@route('POST', '/channels/{channelId}/progress')
def _channel_progress(_sim, model, params):
    channel = _channel(model, params)
    if channel.phone:
        channel.phone.early_media = True
        channel.phone.note('progress')


@route('POST', '/channels/{channelId}/dtmf')
def _channel_dtmf(_sim, model, params):
    channel = _channel(model, params)
    digits = params.need('dtmf', 'DTMF is required')
    if channel.phone:
        channel.phone.dtmf_heard += digits
        channel.phone.note(f'hears dtmf {digits}')


def _mute(model, params, on):
    channel = _channel(model, params)
    direction = params.get('direction') or 'both'
    if direction not in ('in', 'out', 'both'):
        raise AriError(400, 'Invalid direction specified')
    ways = {'in', 'out'} if direction == 'both' else {direction}
    channel.muted = channel.muted | ways if on else channel.muted - ways
    model.wire_channel(channel)


@route('POST', '/channels/{channelId}/mute')
def _channel_mute(_sim, model, params):
    _mute(model, params, True)


@route('DELETE', '/channels/{channelId}/mute')
def _channel_unmute(_sim, model, params):
    _mute(model, params, False)


def _noted(method, verb, what):
    """An indication that the phone only notices."""
    @route(method, f'/channels/{{channelId}}/{verb}')
    def note(_sim, model, params):
        channel = _channel(model, params)
        if channel.phone:
            channel.phone.note(what)
    return note


_noted('POST', 'hold', 'held by agent')
_noted('DELETE', 'hold', 'unheld by agent')
_noted('POST', 'moh', 'moh started')
_noted('DELETE', 'moh', 'moh stopped')
_noted('POST', 'silence', 'silence started')
_noted('DELETE', 'silence', 'silence stopped')


@route('POST', '/channels/{channelId}/play')
@route('POST', '/channels/{channelId}/play/{playbackId}')
def _channel_play(_sim, model, params):
    channel = _channel(model, params)
    media = params.many('media')
    if not media:
        raise AriError(500, 'Failed to queue media for playback')
    ident = params.get('playbackId') or f'playback-{model.new_id()}'
    if ident in model.playbacks:
        raise AriError(409, 'Playback with the given ID already exists')
    return Created(model.play(f'channel:{channel.id}', ident, media))


@route('GET', '/channels/{channelId}/variable')
def _variable_get(sim, model, params):
    channel = model.channels.get(params['channelId'])
    if channel is None:
        raise AriError(404, 'Provided channel was not found')
    name = params.need('variable', 'Variable name is required')
    value = _read_variable(sim, channel, name)
    if value is None:
        raise AriError(404, 'Provided variable was not found')
    return {'value': value}


def _read_variable(sim, channel, name):
    codec = channel.phone.codec if channel.phone else channel.leg.fmt
    caller = channel.caller
    known = {
        'CHANNEL(audioreadformat)': codec, 'CHANNEL(audiowriteformat)': codec,
        'CHANNEL(audionativeformat)': f'({codec})',
        'CHANNEL(rtp,dest)': '192.0.2.10:4000', 'CHANNEL(name)': channel.name,
        'CHANNEL(channeltype)': channel.name.partition('/')[0],
        'CHANNEL(state)': channel.state, 'CHANNEL(uniqueid)': channel.id,
        'CHANNEL(language)': 'es', 'CALLERID(num)': caller['number'],
        'CALLERID(name)': caller['name'],
        'CALLERID(all)': f'"{caller["name"]}" <{caller["number"]}>',
        'EXTEN': channel.dialplan['exten'], 'UNIQUEID': channel.id,
        'CONTEXT': channel.dialplan['context'], 'CHANNEL': channel.name}
    if name in channel.vars:
        return channel.vars[name]
    if name in known:
        return known[name]
    if name.endswith(')'):
        sim.unimplemented.append(('function', name))
        raise AriError(500, 'Unable to read provided function')
    return None


@route('POST', '/channels/{channelId}/variable')
def _variable_set(_sim, model, params):
    channel = _channel(model, params)
    name = params.need('variable', 'Variable name is required')
    value = params.get('value') or ''
    channel.vars[name] = value
    model.emit('ChannelVarset', channel, variable=name, value=value)


# bridges -----------------------------------------------------------------------

@route('GET', '/bridges')
def _bridges(_sim, model, _params):
    return [b.snapshot() for b in model.bridges.values()]


@route('POST', '/bridges')
@route('POST', '/bridges/{bridgeId}')
def _bridge_create(_sim, model, params):
    ident = params.get('bridgeId') or f'bridge-{model.new_id()}'
    if ident in model.bridges:
        raise AriError(409, f"Bridge with id '{ident}' already exists")
    kind = params.get('type') or 'mixing'
    if not set(kind.split(',')) <= BRIDGE_TYPES:
        raise AriError(500, 'Unable to create bridge. Possible duplicate '
                            f"bridge id '{ident}'")
    return model.create_bridge(ident, params.get('name') or '',
                               kind).snapshot()


@route('GET', '/bridges/{bridgeId}')
def _bridge_get(_sim, model, params):
    return _bridge(model, params).snapshot()


@route('DELETE', '/bridges/{bridgeId}')
def _bridge_delete(_sim, model, params):
    model.destroy_bridge(_bridge(model, params))


def _bridge_channels(model, params):
    channels = []
    for ident in params.many('channel'):
        channel = model.channels.get(ident)
        if channel is None:
            raise AriError(400, 'Channel not found')
        if channel.app is None:
            raise AriError(422, NOT_IN_STASIS)
        channels.append(channel)
    if not channels:
        raise AriError(400, 'Missing parameter channel')
    return channels


@route('POST', '/bridges/{bridgeId}/play')
def _bridge_play(_sim, model, params):
    _bridge(model, params)
    media = params.many('media')
    ident = params.get('playbackId') or f'playback-{model.new_id()}'
    if ident in model.playbacks:
        raise AriError(409, 'Playback with the given ID already exists')
    return Created(model.play(f"bridge:{params['bridgeId']}", ident, media))


@route('POST', '/bridges/{bridgeId}/addChannel')
def _bridge_add(_sim, model, params):
    bridge = _bridge(model, params)
    for channel in _bridge_channels(model, params):
        model.add_to_bridge(bridge, channel)


@route('POST', '/bridges/{bridgeId}/removeChannel')
def _bridge_remove(_sim, model, params):
    bridge = _bridge(model, params)
    channels = _bridge_channels(model, params)
    if any(channel.bridge is not bridge for channel in channels):
        raise AriError(422, 'Channel not in this bridge')
    for channel in channels:
        model.leave_bridge(channel)


# playbacks, applications, events, asterisk -------------------------------------

@route('GET', '/playbacks/{playbackId}')
def _playback_get(_sim, model, params):
    if params['playbackId'] not in model.playbacks:
        raise AriError(404, 'Playback not found')
    return dict(model.playbacks[params['playbackId']])


@route('DELETE', '/playbacks/{playbackId}')
def _playback_stop(_sim, model, params):
    playback = model.playbacks.get(params['playbackId'])
    if playback is None:
        raise AriError(404, 'Playback not found')
    model.finish_playback(playback, 'done')


def _app(model, params, name='applicationName'):
    app = model.apps.get(params.need(name))
    if app is None:
        raise AriError(404, 'Application not found')
    return app


@route('GET', '/applications')
def _apps(_sim, model, _params):
    return [a.snapshot() for a in model.apps.values()]


@route('GET', '/applications/{applicationName}')
def _app_get(_sim, model, params):
    return _app(model, params).snapshot()


def _subscribe(model, params, change):
    app = _app(model, params)
    params.need('eventSource', 'Missing parameter eventSource')
    for source in params.many('eventSource'):
        scheme, _, ident = source.partition(':')
        known = {'channel': (model.channels, app.channels),
                 'bridge': (model.bridges, app.bridges)}
        if scheme not in known:
            raise AriError(400, 'Invalid event source URI scheme')
        things, counter = known[scheme]
        if change < 0 and counter[ident] < 1:
            raise AriError(422, 'Event source was not subscribed to')
        if ident not in things:
            raise AriError(422, 'Event source does not exist')
        counter[ident] += change
    return app.snapshot()


@route('POST', '/applications/{applicationName}/subscription')
def _app_subscribe(_sim, model, params):
    return _subscribe(model, params, 1)


@route('DELETE', '/applications/{applicationName}/subscription')
def _app_unsubscribe(_sim, model, params):
    return _subscribe(model, params, -1)


@route('POST', '/events/user/{eventName}')
def _user_event(_sim, model, params):
    app = _app(model, params, 'application')
    shown = {}
    for source in params.many('source'):
        scheme, _, ident = source.partition(':')
        things = {'channel': model.channels, 'bridge': model.bridges}.get(
            scheme, {})
        if ident not in things:
            raise AriError(422, 'Event source was not found')
        shown[scheme] = things[ident].snapshot()
    variables = params.get('variables') or {}
    model.emit('ChannelUserevent', only=app, eventname=params['eventName'],
               userevent={'eventname': params['eventName'], **variables},
               **shown)


@route('GET', '/asterisk/info')
def _info(sim, _model, params):
    info = {'build': {'os': 'Linux', 'kernel': '6.1.0', 'machine': 'x86_64',
                      'options': 'OPTIONAL_API', 'user': 'root',
                      'date': '2025-11-20 12:00:00 UTC'},
            'system': {'version': sim.asterisk_version,
                       'entity_id': ASTERISK_ID},
            'config': {'name': '', 'default_language': 'en',
                       'setid': {'user': '', 'group': ''}},
            'status': {'startup_time': sim.startup_time,
                       'last_reload_time': sim.startup_time}}
    only = params.many('only')
    return {k: v for k, v in info.items() if not only or k in only}


@route('GET', '/asterisk/ping')
def _ping(_sim, _model, _params):
    return {'asterisk_id': ASTERISK_ID, 'ping': 'pong',
            'timestamp': now_text()}


def _module(sim, name):
    return {'name': name, 'description': MODULES[name], 'use_count': 0,
            'status': 'Not Running' if name in sim.missing_modules
            else 'Running', 'support_level': 'core'}


@route('GET', '/asterisk/modules')
def _modules(sim, _model, _params):
    return [_module(sim, name) for name in MODULES
            if name not in sim.missing_modules]


@route('GET', '/asterisk/modules/{moduleName}')
def _module_get(sim, _model, params):
    name = params['moduleName']
    if name not in MODULES or name in sim.missing_modules:
        raise AriError(404, 'Module could not be found in running modules')
    return _module(sim, name)


@route('GET', '/asterisk/variable')
def _global_get(sim, _model, params):
    name = params.need('variable', 'Variable name is required')
    return {'value': sim.globals.get(name, '')}

