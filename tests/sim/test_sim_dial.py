# SPDX-License-Identifier: MIT
"""Telephones that the simulated Asterisk calls, as the real one was seen to
call them (22.10.1): events, causes, refusals, audio through the bridge."""
import random

import pytest

from .ari import AriSim

pytest.importorskip('websockets')
from .ari_client import Client  # noqa: E402

PHONE, QUEUE = 'PJSIP/200', 'Local/600@from-internal'


@pytest.fixture
def sim():
    with AriSim().start_in_thread() as sim:
        yield sim
        assert sim.violations == [] and sim.unimplemented == []


@pytest.fixture
def client(sim):
    client = Client(sim)
    yield client
    client.close()


def dial(client, endpoint, ident='T', **more):
    return client.rest('POST', '/channels', body={
        'endpoint': endpoint, 'app': 'openai-app', 'channelId': ident,
        'callerId': '"Ana" <300>', 'timeout': 30, 'variables': {'__X': '1'},
        **more})


def story(client, ident='T'):
    """What the application was told of a channel."""
    told = []
    for event in client.events.messages:
        thing = event.get('channel') or event.get('peer') or {}
        if thing.get('id') == ident and event['type'] != 'ChannelVarset':
            told.append(event['type'] + ' ' + str(
                event.get('dialstatus', event.get('cause', ''))))
    return [line.strip() for line in told]


@pytest.mark.parametrize('endpoint', [PHONE, QUEUE])
def test_a_leg_is_in_stasis_when_it_was_answered(sim, client, endpoint):
    person = sim.person(endpoint)
    status, channel = dial(client, endpoint)
    assert status == 200 and channel['state'] == 'Down'
    assert channel['caller'] == {'name': 'Ana', 'number': '300'}
    person.wait_for('ringing')
    assert person.caller['number'] == '300'
    person.pick_up()
    client.events.wait('StasisStart', channel='T')
    assert story(client) == ['Dial', 'ChannelStateChange', 'Dial RINGING',
                             'ChannelStateChange', 'Dial ANSWER',
                             'StasisStart']
    assert ('T;2' in sim.model.channels) == endpoint.startswith('Local/')
    person.hangup()
    client.events.wait('ChannelDestroyed', channel='T')
    assert story(client)[6:] == ['ChannelHangupRequest 16', 'StasisEnd',
                                 'ChannelDestroyed 16']
    person.wait_for('ended')
    sim.wait_for(lambda: not sim.model.channels, 5, 'no channel')


@pytest.mark.parametrize('how, cause, dialled', [
    ('busy', 17, 'BUSY'), ('declined', 21, 'NOANSWER'),
    ('unavailable', 19, 'NOANSWER'), ('not found', 1, 'NOANSWER'),
    ('congestion', 34, 'CONGESTION')])
def test_a_telephone_that_declines(sim, client, how, cause, dialled):
    sim.person(PHONE, refuses=how)
    assert dial(client, PHONE)[0] == 200
    client.events.wait('ChannelDestroyed', channel='T')
    assert story(client) == ['Dial', f'ChannelHangupRequest {cause}',
                             f'Dial {dialled}', f'ChannelDestroyed {cause}']
    person = sim.person('PJSIP/201')
    dial(client, 'PJSIP/201', 'U')
    person.wait_for('ringing').decline(how)
    client.events.wait('ChannelDestroyed', channel='U')
    assert story(client, 'U')[-1] == f'ChannelDestroyed {cause}'


def test_nobody_answers(sim, client):
    person = sim.person(PHONE)
    dial(client, PHONE, timeout=1)
    client.events.wait('ChannelDestroyed', channel='T')
    assert story(client)[2:] == ['Dial RINGING', 'ChannelDestroyed 19']
    assert person.wait_for('ended').hung_up_by == 'pbx'


def test_what_cannot_be_dialled(sim, client):
    assert dial(client, 'PJSIP/nobody') == (500, {'error':
                                                  'Allocation failed'})
    assert dial(client, 'Local/nobody@here')[0] == 200
    client.events.wait('ChannelDestroyed', channel='T')
    assert story(client) == ['ChannelDestroyed 0']
    sim.person(PHONE)
    assert dial(client, 'PJSIP')[0] == 400
    assert dial(client, PHONE, originator='x')[0] == 400
    assert dial(client, PHONE)[0] == 200
    assert dial(client, PHONE)[0] == 409


def test_a_leg_that_is_deleted_rings_no_more(sim, client):
    person = sim.person(QUEUE)
    dial(client, QUEUE)
    person.wait_for('ringing')
    assert client.rest('DELETE', '/channels/T')[0] == 204
    client.events.wait('ChannelDestroyed', channel='T')
    assert story(client)[3:] == ['ChannelHangupRequest 32', 'Dial NOANSWER',
                                 'ChannelDestroyed 16']
    assert person.wait_for('ended').hung_up_by == 'agent'
    sim.wait_for(lambda: not sim.model.channels, 5, 'no channel')


def test_two_telephones_in_a_bridge_hear_each_other(sim, client):
    phone = sim.call()
    caller = client.take_call(phone)
    person = sim.person(PHONE)
    dial(client, PHONE, originator=caller)
    person.wait_for('ringing').pick_up()
    client.events.wait('StasisStart', channel='T')
    assert client.rest('POST', '/bridges/B/addChannel', channel='T')[0] == 204
    assert client.rest('DELETE', '/channels/M')[0] == 204
    client.events.wait('ChannelDestroyed', channel='M')
    for one, other in ((phone, person), (person, phone)):
        said = random.Random(one.number).randbytes(1600)
        one.play(said).wait(5)
        sim.wait_for(lambda: said in other.recording.payload(), 5)
    phone.hangup()
    client.events.wait('StasisEnd', channel=caller)
    assert person.state == 'up'     # hears nothing until it is told
    assert client.rest('DELETE', '/channels/T')[0] == 204
    assert client.rest('DELETE', '/bridges/B')[0] == 204
    person.wait_for('ended')


def test_endpoints_are_known_by_name(sim, client):
    sim.person(PHONE)
    assert client.rest('GET', '/endpoints/PJSIP/200')[1]['state'] == 'online'
    assert client.rest('GET', '/endpoints/PJSIP/2')[0] == 404
