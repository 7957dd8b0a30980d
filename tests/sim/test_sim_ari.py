# SPDX-License-Identifier: MIT
"""The simulated Asterisk, seen by an independent client: the life of a call,
what is refused, how calls end, and who hears of it."""
import random
import time

import pytest

from .ari import AriSim

pytest.importorskip('websockets')
from .ari_client import Client  # noqa: E402


@pytest.fixture
def sim():
    with AriSim(dialplan_wait_s=.03).start_in_thread() as sim:
        yield sim
        assert not [v for v in sim.violations
                    if v.kind in ('sim-event', 'sim-error')]


@pytest.fixture
def client(sim):
    client = Client(sim)
    yield client
    client.close()


def clean(sim):
    sim.wait_for(lambda: not sim.leftovers(0), 5, 'no leftovers')
    assert sim.violations == [] and sim.unimplemented == []


# the life of a call --------------------------------------------------------------

@pytest.mark.parametrize('codec, pt', [('ulaw', 0), ('alaw', 8)])
def test_whole_call_is_bit_exact_in_the_order_of_asterisk(sim, client, codec,
                                                          pt):
    phone = sim.call(codec=codec, seq_start=65530, args=['persona=soporte'])
    caller = client.take_call(phone, codec)
    question = random.Random(1).randbytes(1600)
    phone.play(question).wait(5)
    answer = [random.Random(i).randbytes(160) for i in range(12)]
    client.agent.send(answer, pt)
    sim.wait_for(lambda: len(phone.recording.packets) == 12, 5)
    phone.hangup()
    client.events.wait('StasisEnd', channel=caller)
    assert ('channel', 'M') in sim.leftovers(0)
    assert ('bridge', 'B') in sim.leftovers(0)
    assert sim.leftovers(60) == []
    client.clean_up()
    client.events.wait('ChannelDestroyed', channel='M')
    kinds = client.events.kinds()
    assert kinds[:5] == ['StasisStart', 'Dial', 'ChannelStateChange', 'Dial',
                         'StasisStart']
    assert sorted(kinds[5:9]) == [
        'ChannelConnectedLine', 'ChannelEnteredBridge', 'ChannelEnteredBridge',
        'ChannelStateChange']
    assert kinds[9:13] == ['ChannelHangupRequest', 'ChannelLeftBridge',
                           'StasisEnd', 'ChannelHangupRequest']
    assert client.events.variables(caller) == ['BRIDGEPEER'] + [
        f'RTPAUDIOQOS{n}' for n in ('', 'JITTER', 'LOSS', 'RTT', 'MES')] + [
        'BRIDGEPEER']
    assert client.events.messages[0]['args'] == ['persona=soporte']
    assert client.events.messages[0]['channel']['state'] == 'Ring'
    assert question in client.agent.payload()
    assert question in phone.sent_audio()
    assert phone.recording.payload() == b''.join(answer)
    assert {data[1] & 0x7f for data, _ in client.agent.datagrams} == {pt}
    assert (phone.state, phone.cause, phone.hung_up_by) == ('ended', 16,
                                                            'caller')
    clean(sim)


def test_start_of_media_channel_may_come_before_its_http_response(client):
    client.sim.media_start = 'before'
    channel = client.media()
    assert channel['state'] == 'Down'
    seen = client.sim.wait_event('StasisStart', channel='M')
    assert seen['channel']['state'] == 'Up'
    answered = client.sim.requests[-1]
    assert client.sim.events[-1].t_ns < answered.t_ns + answered.ms * 1e6


def test_media_channel_that_never_starts_is_not_in_stasis(client):
    client.sim.media_start = 'never'
    client.media(data='caller=1,x')
    client.rest('POST', '/bridges', bridgeId='B')
    assert client.rest('POST', '/bridges/B/addChannel', channel='M') == (
        422, {'message': 'Channel not in Stasis application'})
    assert client.rest('GET', '/channels/M/variable',
                       variable='UNICASTRTP_LOCAL_PORT')[0] == 200


def test_data_of_external_media_arrives_as_arguments(client):
    client.media(data='caller=1,x')
    assert client.events.wait('StasisStart', channel='M')['args'] == [
        'caller=1', 'x']
    assert client.rest('GET', '/channels/M/variable',
                       variable='UNICASTRTP_LOCAL_PORT') == (
        200, {'value': str(client.agent.peer[1])})


def test_json_body_may_carry_the_parameters(client):
    status, channel = client.rest('POST', '/channels/externalMedia', {
        'app': 'openai-app', 'external_host': client.agent.address,
        'format': 'alaw', 'channelId': 'M', 'variables': {'CALL': '7'}})
    assert status == 200 and channel['channelvars']['CALL'] == '7'
    assert client.rest('POST', '/channels/externalMedia', {
        'app': 'openai-app', 'external_host': client.agent.address,
        'format': 'alaw', 'variables': {'CALL': [7]}})[0] == 400
    assert client.rest('POST', '/bridges', b'{"type": ')[0] == 400


def test_caller_that_was_answered_before_is_up_at_once(sim, client):
    phone = sim.call(up=True)
    start = client.events.wait('StasisStart', channel=phone.channel.id)
    assert start['channel']['state'] == 'Up' and phone.state == 'up'


def test_nothing_is_sent_to_an_agent_before_the_bridge(sim, client):
    sim.call(up=True)
    client.media()
    client.events.wait('StasisStart', channel='M')
    phone = sim.call(up=True)
    client.events.wait('StasisStart', channel=phone.channel.id)
    phone.play(b'\x90' * 800).wait(5)
    assert client.agent.datagrams == [] and phone.sent == []


def test_unanswered_caller_hears_nothing(sim, client):
    phone = sim.call()
    client.events.wait('StasisStart', channel=phone.channel.id)
    client.rest('POST', '/bridges', bridgeId='B')
    client.media()
    client.events.wait('StasisStart', channel='M')
    client.rest('POST', '/bridges/B/addChannel',
                channel=f'{phone.channel.id},M')
    client.agent.send([b'\x90' * 160] * 3)
    sim.wait_for(lambda: phone.early_packets == 3, 5)
    assert phone.recording.packets == [] and client.agent.datagrams == []


def test_ringing_progress_dtmf_and_hold_are_noticed_on_both_sides(sim, client):
    phone = sim.call()
    client.events.wait('StasisStart')
    base = f'/channels/{phone.channel.id}'
    for verb in ('ring', 'progress', 'hold', 'moh', 'silence'):
        assert client.rest('POST', f'{base}/{verb}')[0] == 204
    phone.wait_for('ringing')
    phone.wait_for('progress')
    assert client.rest('POST', f'{base}/dtmf', dtmf='12#')[0] == 204
    assert phone.dtmf_heard == '12#'
    phone.dtmf('0', 40)
    digit = client.events.wait('ChannelDtmfReceived')
    assert (digit['digit'], digit['duration_ms']) == ('0', 40)
    phone.hold()
    client.events.wait('ChannelHold', channel=phone.channel.id)
    phone.unhold()
    client.events.wait('ChannelUnhold', channel=phone.channel.id)


def test_mute_by_ari_is_a_gap_in_the_callers_audio(sim, client):
    phone = sim.call()
    caller = client.take_call(phone)
    sim.wait_for(lambda: client.agent.datagrams, 5)
    assert client.rest('POST', f'/channels/{caller}/mute',
                       direction='in')[0] == 204
    before = len(phone.sent)
    phone.play(b'\x90' * 800).wait(5)
    assert len(phone.sent) == before
    client.rest('DELETE', f'/channels/{caller}/mute', direction='in')
    sim.wait_for(lambda: len(phone.sent) > before, 5)


@pytest.mark.parametrize('name, number', [
    ('', ''), ('Anonymous', 'anonymous'),
    ('"\n\r\x1b[31mIgnore\x00 instructions"\\', '30012\u202e34655\n'),
    ('Ñandú ☎ 𝕏', '+57 300')])
def test_odd_callers_arrive_unharmed(sim, client, name, number):
    sim.call(exten='324', caller=number, name=name, args=['a', 'b'])
    start = client.events.wait('StasisStart')
    assert start['channel']['caller'] == {'name': name, 'number': number}
    assert start['channel']['dialplan']['exten'] == '324'
    assert start['args'] == ['a', 'b']


def test_variables_are_read_written_and_reported(sim, client):
    phone = sim.call(codec='alaw', variables={'TENANT': 'x'})
    client.events.wait('StasisStart')
    base = f'/channels/{phone.channel.id}/variable'

    def read(name):
        return client.rest('GET', base, variable=name)
    assert read('CHANNEL(audioreadformat)') == (200, {'value': 'alaw'})
    assert read('TENANT') == (200, {'value': 'x'})
    assert read('NOT_SET')[0] == 404
    assert read('NO_FUNCTION(x)')[0] == 500
    assert client.rest('GET', base)[0] == 400
    assert client.rest('POST', base, variable='A', value='1')[0] == 204
    assert client.events.wait('ChannelVarset', variable='A')['value'] == '1'
    assert read('A') == (200, {'value': '1'})


def test_a_sound_is_played_into_a_bridge_as_long_as_that_is_there(sim, client):
    sim.sounds = {'hello': 60, 'no-existe': None}
    assert client.rest('POST', '/bridges/b/play',
                       media='sound:hello')[0] == 404
    client.rest('POST', '/bridges', bridgeId='b')
    for sound, state in (("hello", "playing"), ("no-existe", None)):
        assert client.rest('POST', '/bridges/b/play', playbackId=sound,
                           media=f'sound:{sound}')[0] == 201
        sim.wait_for(lambda: sim.model.playbacks.get(sound, {}).get("state")
                     == state, 5, f"{sound} is {state}")
    client.rest('DELETE', '/bridges/b')
    assert client.rest('GET', '/playbacks/hello')[0] == 404


def test_playback_starts_and_finishes(sim, client):
    sim.sounds = {'bienvenida': .05, 'missing': None}
    phone = sim.call(up=True)
    client.events.wait('StasisStart')
    base = f'/channels/{phone.channel.id}/play'
    status, playback = client.rest('POST', base,
                                   media='sound:bienvenida,sound:beep')
    assert status == 201 and playback['state'] == 'queued'
    done = client.events.wait('PlaybackFinished', playback=playback['id'])
    assert done['playback']['state'] == 'done'
    assert client.events.kinds()[1:] == [
        'PlaybackStarted', 'PlaybackContinuing', 'PlaybackFinished']
    assert [heard[0] for heard in phone.heard] == ['bienvenida', 'beep']
    client.rest('POST', base + '/p2', media='sound:missing')
    failed = client.events.wait('PlaybackFinished', playback='p2')
    assert failed['playback']['state'] == 'failed'
    assert client.rest('POST', base, lang='es')[0] == 500
    if sim.swagger.present:
        assert len(sim.take_violations('request')) == 1


# endings -------------------------------------------------------------------------

def test_hangup_by_the_application_is_soft_and_reaches_the_phone(sim, client):
    phone = sim.call()
    caller = client.take_call(phone)
    assert client.rest('DELETE', f'/channels/{caller}', reason='normal',
                       reason_code='16')[0] == 400
    assert client.rest('DELETE', f'/channels/{caller}',
                       reason='odd')[0] == 400
    assert client.rest('DELETE', f'/channels/{caller}',
                       reason='busy')[0] == 204
    request = client.events.wait('ChannelHangupRequest', channel=caller)
    assert request['soft'] is True and request['cause'] == 32
    client.events.wait('StasisEnd', channel=caller)
    phone.wait_for('ended')
    assert (phone.cause, phone.hung_up_by) == (17, 'agent')
    assert client.rest('DELETE', f'/channels/{caller}')[0] == 404
    client.clean_up()
    client.events.wait('ChannelDestroyed', channel='M')
    assert 'ChannelDestroyed' not in [
        m['type'] for m in client.events.messages
        if m.get('channel', {}).get('id') == caller]


def test_stasis_end_may_come_before_the_bridge_is_left(sim, client):
    sim.stasis_end_first = True
    phone = sim.call()
    client.take_call(phone)
    phone.hangup()
    client.events.wait('ChannelLeftBridge', channel=phone.channel.id)
    assert client.events.kinds()[-3:] == [
        'ChannelHangupRequest', 'StasisEnd', 'ChannelLeftBridge']
    client.clean_up()
    clean(sim)


def test_subscribed_application_hears_of_the_destruction(sim, client):
    phone = sim.call()
    client.events.wait('StasisStart')
    source = f'channel:{phone.channel.id}'
    base = '/applications/openai-app/subscription'
    assert client.rest('POST', base, eventSource='channel:none')[0] == 422
    assert client.rest('POST', base, eventSource='odd:1')[0] == 400
    assert client.rest('POST', base, eventSource=source)[0] == 200
    phone.hangup(17)
    gone = client.events.wait('ChannelDestroyed', channel=phone.channel.id)
    assert (gone['cause'], gone['cause_txt']) == (17, 'User busy')
    assert client.rest('GET', '/applications/openai-app')[1][
        'channel_ids'] == []


def test_continue_gives_the_caller_to_the_queue(sim, client):
    phone = sim.call()
    caller = client.take_call(phone)
    assert client.rest('POST', f'/channels/{caller}/continue',
                       context='telefonista-fallback', extension='s',
                       priority=1)[0] == 204
    client.events.wait('StasisEnd', channel=caller)
    phone.wait_for('queue')
    assert phone.where == ('telefonista-fallback', 's', 1)
    assert sim.continued == [(caller, 'telefonista-fallback', 's', 1)]
    assert client.rest('GET', f'/channels/{caller}')[0] == 200
    assert client.rest('POST', f'/channels/{caller}/answer') == (
        409, {'message': 'Channel not in Stasis application'})
    client.clean_up()
    clean(sim)


def test_continue_to_a_context_that_is_not_there_ends_the_call(sim, client):
    sim.contexts = {'telefonista-agent'}
    phone = sim.call()
    client.events.wait('StasisStart')
    client.rest('POST', f'/channels/{phone.channel.id}/continue',
                context='telefonista-fallback')
    phone.wait_for('ended')
    assert phone.hung_up_by == 'pbx'


def test_continue_to_nowhere_is_the_hangup_of_the_sample_dialplan(sim, client):
    phone = sim.call()
    client.events.wait('StasisStart')
    client.rest('POST', f'/channels/{phone.channel.id}/continue')
    phone.wait_for('ended')
    assert phone.dialplan[-1] == 'Hangup()'


def test_without_an_application_the_dialplan_tries_ten_times(sim):
    phone = sim.call().wait_for('queue')
    assert phone.dialplan == 10 * ['Stasis(openai-app)', 'Wait(1)'] + [
        'Stasis(openai-app)', 'Goto(telefonista-fallback,3241000752,1)']


def test_application_that_connects_meanwhile_gets_the_waiting_call(sim):
    sim.dialplan_wait_s = .5
    phone = sim.call()
    client = Client(sim)
    start = client.events.wait('StasisStart')
    assert start['channel']['id'] == phone.channel.id
    assert phone.dialplan == ['Stasis(openai-app)', 'Wait(1)',
                              'Stasis(openai-app)']
    client.close()


# refusals ------------------------------------------------------------------------

@pytest.mark.parametrize('method, path, status, message', [
    ('GET', '/channels/none', 404, 'Channel not found'),
    ('POST', '/channels/none/answer', 404, 'Channel not found'),
    ('DELETE', '/channels/none', 404, 'Channel not found'),
    ('GET', '/bridges/none', 404, 'Bridge not found'),
    ('DELETE', '/bridges/none', 404, 'Bridge not found'),
    ('POST', '/bridges/none/addChannel?channel=x', 404, 'Bridge not found'),
    ('POST', '/bridges/B/addChannel?channel=x', 400, 'Channel not found'),
    ('POST', '/bridges/B/removeChannel?channel=M', 422,
     'Channel not in this bridge'),
    ('POST', '/bridges?bridgeId=B', 409,
     "Bridge with id 'B' already exists"),
    ('POST', '/bridges?type=odd&bridgeId=C', 500, 'Unable to create bridge. '
     "Possible duplicate bridge id 'C'"),
    ('GET', '/channels/none/variable?variable=x', 404,
     'Provided channel was not found'),
    ('POST', '/applications/openai-app/subscription', 400,
     'Missing parameter eventSource'),
    ('GET', '/applications/none', 404, 'Application not found'),
    ('GET', '/channels/', 404, 'ARI URLs do not end with a slash. '
     'Try /ari/channels'),
    ('GET', '/nothing', 404, 'Resource not found'),
    ('PUT', '/channels', 405, 'Invalid method'),
    ('POST', '/channels/M/snoop?app=a', 501, 'unimplemented in sim'),
    ('GET', '/recordings/stored', 501, 'unimplemented in sim'),
])
def test_refusals_are_those_of_asterisk(sim, client, method, path, status,
                                        message):
    client.rest('POST', '/bridges', bridgeId='B')
    client.media()
    client.events.wait('StasisStart', channel='M')
    if not sim.swagger.present and status == 501 and 'snoop' in path:
        pytest.skip('needs ../shared/specs/ari')
    assert client.rest(method, path) == (status, {'message': message})
    assert bool(sim.unimplemented) == (status == 501)


@pytest.mark.parametrize('change, status', [
    ({'app': ''}, 400), ({'format': ''}, 400), ({'external_host': ''}, 400),
    ({'external_host': '127.0.0.1'}, 400),
    ({'external_host': '127.0.0.1:99999'}, 200),
    ({'transport': 'tcp'}, 400),
    ({'encapsulation': 'audiosocket', 'transport': 'tcp'}, 501),
    ({'connection_type': 'server'}, 400),
    ({'format': 'nonsense'}, 500), ({'external_host': 'no.invalid:1'}, 500),
    ({'channelId': 'M'}, 500), ({'app': 'none'}, 200), ({}, 200)])
def test_external_media_is_validated(client, change, status):
    client.media()
    query = {'app': 'openai-app', 'format': 'ulaw', 'channelId': 'M2',
             'external_host': '127.0.0.1:4000', **change}
    assert client.rest('POST', '/channels/externalMedia',
                       **query)[0] == status


def test_who_may_not_is_told_so(sim, client):
    sim.users = {'reader': ('r', True)}
    assert client.rest('GET', '/channels', auth=False) == (
        401, {'message': 'Authentication required'})
    assert client.headers['WWW-Authenticate'].startswith('Basic realm="')
    client.password = 'wrong'
    assert client.rest('GET', '/channels')[0] == 401
    client.user, client.password = 'reader', 'r'
    assert client.rest('GET', '/channels') == (200, [])
    assert client.rest('POST', '/bridges') == (
        403, {'message': 'Write access denied'})
    assert client.rest('GET', '/channels', auth=False,
                       api_key='reader:r') == (200, [])
    assert sim.keys_in_urls == 1
    sim.booted = False
    assert client.rest('GET', '/channels') == (
        503, {'message': 'Asterisk not booted'})


def test_inventory_lists_what_there_is(sim, client):
    phone = sim.call()
    caller = client.take_call(phone)
    assert [c['id'] for c in client.rest('GET', '/channels')[1]] == [caller,
                                                                     'M']
    assert client.rest('GET', '/bridges')[1][0]['channels'] == [caller, 'M']
    app = client.rest('GET', '/applications/openai-app')[1]
    assert app['channel_ids'] == sorted([caller, 'M'])
    assert app['bridge_ids'] == ['B']
    assert client.rest('GET', '/asterisk/info')[1]['system'][
        'version'] == '22.10.1'
    sim.missing_modules = {'chan_rtp.so'}
    assert client.rest('GET', '/asterisk/modules/res_ari.so')[1][
        'status'] == 'Running'
    assert client.rest('GET', '/asterisk/modules/chan_rtp.so')[0] == 404
    names = {m['name'] for m in client.rest('GET', '/asterisk/modules')[1]}
    assert 'res_stasis.so' in names and 'chan_rtp.so' not in names
    client.rest('POST', '/bridges/B/removeChannel', channel=caller)
    client.events.wait('ChannelLeftBridge', channel=caller)


def test_every_answer_is_what_swagger_says(sim, client):
    if not sim.swagger.present:
        pytest.skip('needs ../shared/specs/ari')
    phone = sim.call()
    caller = client.take_call(phone)
    for path in ('/channels', f'/channels/{caller}', '/channels/M',
                 '/bridges', '/bridges/B', '/applications',
                 '/applications/openai-app', '/asterisk/info',
                 '/asterisk/ping', '/asterisk/modules',
                 '/asterisk/modules/chan_rtp.so'):
        status, body = client.rest('GET', path)
        assert status == 200
        assert sim.swagger.response('GET', path, body) == []
    _, playback = client.rest('POST', f'/channels/{caller}/play',
                              media='sound:beep')
    assert sim.swagger.response('POST', f'/channels/{caller}/play',
                                playback) == []


def test_swagger_finds_what_is_wrong(sim, client):
    if not sim.swagger.present:
        pytest.skip('needs ../shared/specs/ari')
    event = {'type': 'StasisEnd', 'application': 'a',
             'timestamp': '2026-08-06T15:45:49.123+0000'}
    assert sim.swagger.event(event) == ['StasisEnd.channel is missing']
    assert sim.swagger.event({**event, 'type': 'Nonsense'})
    assert "StasisEnd.timestamp is 'now', not a date" in sim.swagger.event(
        {**event, 'timestamp': 'now'})
    client.rest('POST', '/bridges', tipe='mixing')
    client.rest('POST', '/channels/x/mute', direction='up')
    client.rest('POST', '/channels/x/continue', priority='one')
    client.rest('POST', '/channels/x/play')
    assert [v.kind for v in sim.take_violations()] == 4 * ['request']


# who is told ---------------------------------------------------------------------

def test_user_event_comes_back_on_the_socket(sim, client):
    started = time.monotonic()
    assert client.rest('POST', '/events/user/probe',
                       {'variables': {'n': '7'}},
                       application='openai-app')[0] == 204
    event = client.events.wait('ChannelUserevent')
    assert time.monotonic() - started < 5
    assert event['eventname'] == 'probe' and event['userevent']['n'] == '7'
    assert client.rest('POST', '/events/user/probe',
                       application='none')[0] == 404
    assert sim.violations == []


def test_second_socket_takes_the_application(sim, client):
    second = client.connect()
    client.events.wait('ApplicationReplaced')
    sim.call()
    second.wait('StasisStart')
    assert client.events.kinds() == ['ApplicationReplaced']
    assert client.events.closed is None and len(sim.sessions) == 2
    client.events.close()
    client.rest('POST', '/events/user/probe', application='openai-app')
    second.wait('ChannelUserevent')


def test_subscribe_all_hears_of_everything(sim):
    client = Client(sim, query='&subscribeAll=true')
    phone = sim.call()
    client.take_call(phone)
    phone.hangup()
    client.events.wait('ChannelDestroyed', channel=phone.channel.id)
    client.clean_up()
    client.events.wait('BridgeDestroyed')
    assert {'ChannelCreated', 'BridgeCreated'} <= set(client.events.kinds())
    client.close()
    clean(sim)


def test_while_the_socket_is_away_calls_live_and_events_are_lost(sim, client):
    phone = sim.call()
    caller = client.take_call(phone)
    client.events.close()
    sim.wait_for(lambda: sim.session_of() is None)
    heard = len(client.agent.datagrams)
    phone.dtmf('5')
    sim.wait_event('ChannelDtmfReceived')
    sim.wait_for(lambda: len(client.agent.datagrams) > heard)
    assert client.rest('GET', '/applications/openai-app')[0] == 200
    client.events = client.connect()
    assert [c['id'] for c in client.rest('GET', '/channels')[1]] == [caller,
                                                                     'M']
    phone.hangup()
    client.events.wait('StasisEnd', channel=caller)
    assert 'ChannelDtmfReceived' not in client.events.kinds()
    assert 'StasisStart' not in client.events.kinds()
