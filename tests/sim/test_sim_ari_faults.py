# SPDX-License-Identifier: MIT
"""What the simulated Asterisk does wrong when told to: on HTTP, on the events
WebSocket, on RTP, and as a whole. Also many callers at once, and the process
with its control socket."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from . import rtp

pytest.importorskip('websockets')
from .ari_client import Agent, Client, Events  # noqa: E402
from .test_sim_ari import clean, client, sim  # noqa: E402,F401


# HTTP ----------------------------------------------------------------------------

@pytest.mark.parametrize('apply', [False, True])
def test_a_status_replaces_the_nth_answer_only(sim, client, apply):
    sim.fault('POST', '/bridges.*', nth=2, status=500, apply=apply)
    assert client.rest('POST', '/bridges', bridgeId='B1')[0] == 200
    assert client.rest('POST', '/bridges', bridgeId='B2') == (
        500, {'message': 'fault injected'})
    assert ('B2' in sim.model.bridges) == apply
    assert client.rest('POST', '/bridges', bridgeId='B3')[0] == 200
    assert [f.hits for f in sim.faults] == [1]


def test_answers_can_be_late_cut_malformed_or_huge(sim, client):
    sim.fault('GET', '/channels', delay_s=.1)
    sim.fault('GET', '/bridges', malformed=True)
    sim.fault('GET', '/asterisk/info', oversized=3_000_000)
    sim.fault('*', '/asterisk/ping', close=True)
    started = time.monotonic()
    assert client.rest('GET', '/channels') == (200, [])
    assert time.monotonic() - started >= .1
    with pytest.raises(json.JSONDecodeError):
        client.rest('GET', '/bridges')
    status, body = client.rest('GET', '/asterisk/info')
    assert status == 200 and len(body['pad']) == 3_000_000
    with pytest.raises((http.client.HTTPException, OSError)):
        client.rest('GET', '/asterisk/ping')
    assert client.rest('GET', '/asterisk/ping')[0] == 200


def test_a_request_can_stay_unanswered(sim, client):
    sim.fault('POST', '/channels/externalMedia', never=True, apply=True)
    client.connection.timeout = .3
    client.connection.close()
    with pytest.raises(TimeoutError):
        client.media()
    sim.wait_for(lambda: 'M' in sim.model.channels)
    client.connection.close()
    client.connection.timeout = 10
    assert client.rest('DELETE', '/channels/M')[0] == 204


def test_the_upgrade_itself_can_fail(sim, client):
    sim.fault('GET', '/events', status=500)
    with pytest.raises(Exception, match='500'):
        client.connect()
    assert client.connect().closed is None


def test_connection_101_is_closed_without_an_answer(sim, client):
    others = []
    try:
        while sim.connections < 100:
            other = socket.create_connection(('127.0.0.1', sim.port), 5)
            others.append(other)
            sim.wait_for(lambda: sim.connections >= len(others) + 1)
        with socket.create_connection(('127.0.0.1', sim.port), 5) as late:
            assert late.recv(100) == b''
        assert (sim.refused, sim.connections_peak) == (1, 100)
    finally:
        for other in others:
            other.close()
    sim.wait_for(lambda: sim.connections < 5)
    assert client.rest('GET', '/channels')[0] == 200


# the events WebSocket ------------------------------------------------------------

def test_odd_frames_reach_the_client_as_sent(sim, client):
    sim.with_session('send_text', '{"type": "StasisSta')
    sim.with_session('write', 2, b'\x00\x01')
    sim.send_event({'type': 'Unheard', 'odd': [1]}, pieces=7, with_ping=True)
    sim.send_oversized(2_000_000)
    events = client.events.wait('ChannelVarset') and client.events.messages
    assert events[0] == '{"type": "StasisSta'
    assert events[2]['odd'] == [1] and events[2]['application'] == 'openai-app'
    assert len(events[3]['value']) == 2_000_000
    sim.wait_for(lambda: len(sim.pong_ms) == 6, 5, 'pongs')


def test_pings_are_sent_and_their_pongs_timed(sim, client):
    sim.ping_interval_s = .02
    sim.wait_for(lambda: len(sim.pong_ms) >= 3, 5, 'pongs')
    assert all(0 <= ms < 5000 for ms in sim.pong_ms)


@pytest.mark.parametrize('how, code', [('fin', 1006), ('rst', 1006),
                                       ('close', 1001)])
def test_the_socket_drops(sim, client, how, code):
    sim.with_session('drop', how)
    client.events.wait_until(lambda e: e.closed)
    assert client.events.closed[0] == code
    sim.wait_for(lambda: sim.session_of() is None)
    assert client.connect().closed is None


def test_a_frozen_server_swallows_events_and_requests(sim, client):
    sim.with_session('freeze')
    phone = sim.call()
    sim.wait_event('StasisStart')
    assert not sim.events[-1].delivered
    client.rest('POST', '/events/user/probe', application='openai-app')
    sim.with_session('freeze', False)
    phone.hangup()
    client.events.wait('StasisEnd')
    assert client.events.kinds() == ['ChannelHangupRequest', 'StasisEnd']
    sim.http_frozen = True
    client.connection.close()
    client.connection.timeout = .2
    with pytest.raises(TimeoutError):
        client.rest('GET', '/channels')


def test_a_restart_forgets_everything_and_keeps_the_port(sim, client):
    phone = sim.call()
    client.take_call(phone)
    port = sim.port
    sim.stop_pbx()
    client.events.wait_until(lambda e: e.closed)
    assert (phone.state, phone.hung_up_by) == ('ended', 'pbx')
    client.connection.close()
    with pytest.raises(OSError):
        client.rest('GET', '/channels')
    sim.start_pbx()
    assert sim.port == port
    assert client.rest('GET', '/channels') == (200, [])
    assert client.rest('GET', '/applications/openai-app')[0] == 404
    client.events = client.connect()
    client.take_call(sim.call())


def test_rest_goes_over_the_websocket_too(sim, client):
    client.events.send(json.dumps({
        'type': 'RESTRequest', 'transaction_id': 't', 'request_id': 'r',
        'method': 'POST', 'uri': 'bridges?type=mixing',
        'query_strings': [{'name': 'bridgeId', 'value': 'B'}]}))
    answer = client.events.wait('RESTResponse', request_id='r')
    assert answer['status_code'] == 200 and answer['reason_phrase'] == 'OK'
    assert json.loads(answer['message_body'])['id'] == 'B'
    client.events.send(json.dumps({
        'type': 'RESTRequest', 'transaction_id': 't', 'request_id': 'r2',
        'method': 'DELETE', 'uri': 'channels/none'}))
    assert client.events.wait('RESTResponse', request_id='r2')[
        'status_code'] == 404
    client.events.send('{')
    assert client.events.wait('RESTResponse', request_id='')[
        'status_code'] == 400
    assert [v.kind for v in sim.violations] == ['ws-request']


def test_missing_app_and_wrong_password_are_refused_before_the_upgrade(
        sim, client):
    for query, password, status in (('x=1', sim.password, '400'),
                                    ('app=a', 'wrong', '401')):
        with pytest.raises(Exception, match=status):
            Events(sim.port, query, sim.user, password)
    Events(sim.port, 'app=a', sim.user, sim.password, ()).close()
    assert [v.kind for v in sim.take_violations()] == ['ws-subprotocol']


# RTP -----------------------------------------------------------------------------

def test_bad_packets_of_the_agent_are_dropped_and_reported(sim, client):
    phone = sim.call()
    client.take_call(phone)
    client.agent.send([b'\x90' * 160] * 2)
    client.agent.send([b'\x90' * 160], pt=118, seq=3)
    stranger = Agent()
    stranger.peer = client.agent.peer
    stranger.send([b'\x90' * 160], seq=3)
    stranger.close()
    sim.wait_for(lambda: len(sim.violations) == 2, 5)
    assert sorted(v.kind for v in sim.violations) == ['rtp-payload-type',
                                                      'rtp-source']
    assert len(phone.recording.packets) == 2
    assert all(v.channel == 'M' for v in sim.violations)


def test_garbage_strangers_and_a_new_source_reach_the_agent(sim, client):
    phone = sim.call()
    client.take_call(phone)
    sim.wait_for(lambda: client.agent.datagrams, 5)
    phone.send_garbage(b'', b'\xff', b'garbage' * 200)
    phone.send_stranger(rtp.pack(1, 1, 1, 0, b'\x11' * 160))
    before = client.agent.datagrams[0][0][8:12]
    phone.change_ssrc()
    sim.wait_for(lambda: any(len(d) == 172 and d[8:12] not in (before,
                                                               b'\0\0\0\1')
                             for d, _ in list(client.agent.datagrams)), 5)
    sizes = [len(d) for d, _ in client.agent.datagrams]
    assert {0, 1, 1400} <= set(sizes)
    assert len({source for _, source in client.agent.datagrams}) == 2


def test_dtx_hold_and_impairments_show_at_the_agent(sim, client):
    phone = sim.call()
    client.take_call(phone)
    phone.dtx()
    phone.play(b'\x90' * 1600).wait(5)
    phone.dtx(False)
    phone.impair(loss=.5, reorder=.2, duplicate=.2, jitter_ms=15, seed=4)
    count = len(client.agent.datagrams)
    sim.wait_for(lambda: len(client.agent.datagrams) > count + 20, 10)
    seqs = [rtp.parse(d).seq for d, _ in client.agent.datagrams[count:]]
    impairment = phone.stream.legs[0].impairment
    assert impairment.lost and impairment.duplicated and impairment.reordered
    assert len(set(seqs)) < len(seqs)
    phone.impair()
    assert phone.stream.legs[0].impairment is None


def test_barge_in_stop_time_is_measured(sim, client):
    phone = sim.call()
    client.take_call(phone)
    client.agent.send([b'\x90' * 160] * 5 + [b'\xff' * 160] * 5)
    sim.wait_for(lambda: len(phone.recording.packets) == 10, 5)
    start = phone.recording.first_sound_ns()
    assert 60 <= phone.recording.sound_after_ms(start) <= 400
    phone.wait_quiet(100, 5)
    assert phone.wait_sound(0, 1) == start


def test_twenty_callers_keep_their_pace(sim, client):
    clients, phones = [], []
    for i in range(20):
        phone = sim.call(caller=str(300 + i), up=True)
        agent = Agent(echo=True)
        client.agent, saved = agent, client.agent
        clients.append(agent)
        client.take_call(phone, media=f'M{i}', bridge=f'B{i}')
        client.agent = saved
        phones.append(phone)
    for phone in phones:
        sim.wait_for(lambda p=phone: len(p.recording.packets) >= 100, 20)
    for i, phone in enumerate(phones):
        heard = phone.recording
        assert heard.payload().strip(b'\xff') == b''
        assert heard.lateness()['p50'] < 20
        phone.hangup()
        client.events.wait('StasisEnd', channel=phone.channel.id)
        client.clean_up(f'M{i}', f'B{i}')
        clients[i].close()
    clean(sim)


# the process ---------------------------------------------------------------------

def test_the_process_is_driven_over_its_control_socket(tmp_path):
    root = pathlib.Path(__file__).resolve().parents[2]
    ready = tmp_path / 'ready'
    process = subprocess.Popen(
        [sys.executable, '-m', 'tests.sim.ari', '--ready-file', str(ready),
         '--set', 'dialplan_wait_s=0.05', '--set', 'user=otro'],
        cwd=root)
    try:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(.02)
        where = json.loads(ready.read_text())
        assert where['user'] == 'otro'
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(20)
        control.connect(where['control'])
        stream = control.makefile('rw')

        def ask(cmd, **request):
            stream.write(json.dumps({'cmd': cmd, **request}) + '\n')
            stream.flush()
            answer = json.loads(stream.readline())
            assert answer.pop('ok'), answer
            return answer

        class Where:
            port, user, password = (where['port'], where['user'],
                                    where['password'])
        client = Client(Where)
        ask('connected')
        number = ask('call', exten='324', caller='300')['phone']
        caller = ask('phone', phone=number)['channel']

        class Phone:
            class channel:
                id = caller

            @staticmethod
            def wait_for(state):
                return ask('wait', phone=number, state=state)
        client.take_call(Phone)
        wav = tmp_path / 'question.wav'
        from .wav import array, write
        write(wav, [array.array('h', [8000, -8000] * 800)])
        said = ask('play', phone=number, wav=str(wav), wait=True)
        assert said['end_ns'] - said['start_ns'] >= 150_000_000
        client.agent.send([b'\x90' * 160] * 3)
        assert ask('wait_sound', phone=number)['t_ns'] > 0
        ask('save', phone=number, wav=str(tmp_path / 'call.wav'))
        assert (tmp_path / 'call.wav').stat().st_size > 1000
        ask('hangup', phone=number)
        client.events.wait('StasisEnd')
        assert ask('status')['leftovers']
        client.clean_up()
        ask('wait_no_leftovers')
        assert ask('status')['violations'] == []
        stream.write('nonsense\n')
        stream.flush()
        assert json.loads(stream.readline())['ok'] is False
        client.close()
        stream.close()
        control.close()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
