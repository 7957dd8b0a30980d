# SPDX-License-Identifier: MIT
"""ari_model.py – channels, bridges, playbacks and Stasis applications.

The rules of Asterisk without its wires: who is told what, in which order, and
who is refused. Everything here runs on the simulator's asyncio loop.
"""
import collections
import datetime
import itertools
import random
import time

from . import rtp
from .ari_dial import Dialler, Wire

CAUSES = {0: 'Unknown', 1: 'Unallocated (unassigned) number',
          16: 'Normal Clearing', 17: 'User busy', 18: 'No user responding',
          19: 'User alerting, no answer', 21: 'Call Rejected',
          26: 'Answered elsewhere', 27: 'Destination out of order',
          28: 'Invalid number format', 31: 'Normal, unspecified',
          34: 'Circuit/channel congestion', 38: 'Network out of order',
          58: 'Bearer capability not available', 102: 'Recover on timer expiry',
          127: 'Interworking, unspecified'}
SOFTHANGUP_EXPLICIT = 32
QOS = ('', 'JITTER', 'LOSS', 'RTT', 'MES')     # RTPAUDIOQOS... at a hangup
ASTERISK_ID = '02:42:ac:11:00:02'


def now_text():
    now = datetime.datetime.now(datetime.timezone.utc)
    return f'{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}+0000'


class Channel:
    """A SIP channel with its phone, or a media channel with its RTP leg."""

    def __init__(self, ident, name, state, phone=None, leg=None):
        self.id, self.name, self.state = ident, name, state
        self.phone, self.leg = phone, leg
        self.caller = {'name': '', 'number': ''}
        self.connected = {'name': '', 'number': ''}
        self.dialplan = {'context': 'default', 'exten': 's', 'priority': 1,
                         'app_name': '', 'app_data': ''}
        self.vars = {}
        self.created = now_text()
        self.created_ns = time.monotonic_ns()
        self.app = self.was_in = None   # Stasis application: is in, was in
        self.bridge = None
        self.muted = set()          # ARI mute: 'in', 'out'
        self.callers = set()        # for leftovers(): whose media this is
        self.hanging_up = False
        self.dialling = None        # what was dialled to make it
        self.half = None            # the other one of a Local channel
        self.stasis = None          # where it goes when it is answered

    def snapshot(self, with_vars=False):
        data = {'id': self.id, 'name': self.name, 'state': self.state,
                'protocol_id': f'{self.id}@sim' if self.phone else '',
                'caller': dict(self.caller), 'connected': dict(self.connected),
                'accountcode': '', 'dialplan': dict(self.dialplan),
                'creationtime': self.created, 'language': 'es'}
        if with_vars:
            data['channelvars'] = dict(self.vars)
        return data


class Bridge:
    def __init__(self, ident, name, kind):
        self.id, self.name, self.kind = ident, name, kind
        self.channels = []
        self.created = now_text()
        self.created_ns = time.monotonic_ns()
        self.callers = set()

    def snapshot(self):
        two = 'mixing' in self.kind and len(self.channels) <= 2
        return {'id': self.id, 'technology':
                'holding_bridge' if 'holding' in self.kind else
                'simple_bridge' if two else 'softmix',
                'bridge_type': 'holding' if 'holding' in self.kind
                else 'mixing', 'bridge_class': 'stasis', 'creator': 'Stasis',
                'name': self.name, 'channels': [c.id for c in self.channels],
                'creationtime': self.created, 'video_mode': 'talker'}


class App:
    def __init__(self, name):
        self.name = name
        self.session = None         # its WebSocket; None: inactive
        self.subscribe_all = False
        self.channels = collections.Counter()
        self.bridges = collections.Counter()

    def snapshot(self):
        return {'name': self.name, 'channel_ids': sorted(+self.channels),
                'bridge_ids': sorted(+self.bridges), 'endpoint_ids': [],
                'device_names': [], 'events_allowed': [],
                'events_disallowed': []}


class Model:
    """All state of one run of Asterisk; a restart makes a new one."""

    def __init__(self, sim):
        self.sim = sim
        self.channels, self.bridges = {}, {}
        self.apps, self.playbacks = {}, {}
        self.dialler = Dialler(self)
        self.boot = int(time.time())
        self._serial = itertools.count(1)
        self._left_ns = {}          # when a caller left the application

    def new_id(self):
        return f'{self.boot}.{next(self._serial)}'

    # events

    def emit(self, kind, channel=None, bridge=None, only=None, hidden=False,
             **fields):
        """Send an event to every application that is subscribed to its
        channel or bridge; hidden: the event does not show the channel."""
        if channel is not None and not hidden:
            fields['channel'] = channel.snapshot()
        if bridge is not None:
            fields['bridge'] = bridge.snapshot()
        for app in list(self.apps.values()):
            told = app is only if only else (
                app.subscribe_all
                or channel is not None and app.channels[channel.id] > 0
                or bridge is not None and app.bridges[bridge.id] > 0)
            if told:
                self.sim.deliver(app, {
                    'type': kind, 'timestamp': now_text(), **fields,
                    'asterisk_id': ASTERISK_ID, 'application': app.name})

    def later(self, delay_s, method, *args):
        """Run after a delay, unless Asterisk was restarted meanwhile."""
        def run():
            if self.sim.model is self:
                method(*args)
        self.sim.loop.call_later(delay_s, run)

    # applications

    def connect_app(self, name, session, subscribe_all):
        app = self.apps.setdefault(name, App(name))
        if app.session is not None:
            self.emit('ApplicationReplaced', only=app)
        app.session, app.subscribe_all = session, subscribe_all
        self.sim.changed()

    def disconnect(self, session):
        for app in self.apps.values():
            if app.session is session:
                app.session = None
        self._forget_apps()
        self.sim.changed()

    def _forget_apps(self):
        """An application without socket and subscriptions is no more."""
        for app in list(self.apps.values()):
            if app.session is None and not +app.channels and not +app.bridges:
                del self.apps[app.name]

    def enter_stasis(self, channel, name, args):
        app = self.apps.get(name)
        if app is None or app.session is None:
            return False
        channel.app = app
        app.channels[channel.id] += 1
        if channel.leg:
            self._varset(channel, 'STASISSTATUS', '')
        channel.vars['STASISSTATUS'] = ''
        channel.dialplan.update(app_name='Stasis',
                                app_data=','.join([name, *args]))
        self.emit('StasisStart', channel, only=app, args=list(args))
        return True

    def leave_stasis(self, channel):
        app, channel.app = channel.app, None
        if app is None:
            return
        channel.was_in = app
        if channel.phone:
            self._left_ns[channel.id] = time.monotonic_ns()
        self.emit('StasisEnd', channel, only=app)
        app.channels[channel.id] -= 1
        self._varset(channel, 'STASISSTATUS', 'SUCCESS')
        self._forget_apps()

    def _varset(self, channel, name, value):
        channel.vars[name] = value
        self.emit('ChannelVarset', channel, variable=name, value=value)

    # callers

    def place_call(self, phone, *, up, args, app, context, variables,
                   ringing):
        channel = Channel(self.new_id(), '', 'Ring', phone=phone)
        channel.name = f'PJSIP/trunk-{int(channel.id.split(".")[1]):08x}'
        channel.caller = {'name': phone.name, 'number': phone.number}
        channel.dialplan.update(context=context, exten=phone.exten,
                                priority=3)
        channel.vars.update(variables or {})
        phone.channel = channel
        self.channels[channel.id] = channel
        self.emit('ChannelCreated', channel)
        if ringing:
            phone.ring()
        if up:
            self._answered(channel)
        self._run_dialplan(phone, app, list(args), 0)
        return phone

    def _run_dialplan(self, phone, app, args, failures):
        """The sample dialplan: Stasis, on FAILED Wait(1), then the queue."""
        channel = phone.channel
        if phone.state == 'ended':
            return
        phone.dialplan.append(f'Stasis({",".join([app, *args])})')
        if self.enter_stasis(channel, app, args):
            phone.note('stasis')
            return
        channel.vars['STASISSTATUS'] = 'FAILED'
        if failures < self.sim.dialplan_waits:
            phone.dialplan.append('Wait(1)')
            phone.note('stasis failed')
            self.later(self.sim.dialplan_wait_s, self._run_dialplan,
                       phone, app, args, failures + 1)
        else:
            self._to_queue(channel, self.sim.fallback_context,
                           channel.dialplan['exten'], 1)

    def _to_queue(self, channel, context, exten, priority):
        phone = channel.phone
        contexts = self.sim.contexts
        channel.dialplan.update(context=context, exten=exten,
                                priority=priority, app_name='', app_data='')
        phone.where = (context, exten, priority)
        phone.dialplan.append(f'Goto({context},{exten},{priority})')
        if contexts is not None and context not in contexts:
            self.destroy(channel, 0, 'pbx')     # no such extension
            return
        phone.set_state('queue')
        self._answered(channel)

    def _answered(self, channel):
        if channel.state != 'Up':
            channel.state = 'Up'
            self.emit('ChannelStateChange', channel)
        channel.phone.answer()

    def phone_hangup(self, phone, cause):
        if phone.channel and phone.channel.id in self.channels:
            self.hangup(phone.channel, cause, None, 'caller')

    def phone_dtmf(self, phone, digits, duration_ms):
        for i, digit in enumerate(digits):
            self.later((i + 1) * duration_ms / 1000, self._dtmf_end,
                       phone.channel, digit, duration_ms)

    def _dtmf_end(self, channel, digit, duration_ms):
        if channel.id in self.channels:
            self.emit('ChannelDtmfReceived', channel, digit=digit,
                      duration_ms=duration_ms)

    def phone_hold(self, phone, on):
        if phone.channel.id in self.channels:
            self.emit('ChannelHold' if on else 'ChannelUnhold', phone.channel)

    # what the REST calls do

    def answer(self, channel):
        """The phone has it before the request is answered, as measured: what
        is sent from then on is heard."""
        if channel.phone:
            self._answered(channel)

    def continue_in_dialplan(self, channel, context, exten, priority):
        self.leave_bridge(channel)
        self.leave_stasis(channel)
        if channel.phone is None:
            self.destroy(channel, 16, 'pbx')
            return
        if context is None:
            channel.phone.dialplan.append('Hangup()')   # of the sample
            self.destroy(channel, 16, 'pbx')
            return
        self._to_queue(channel, context, exten or 's', priority or 1)

    def external_media(self, ident, app_name, fmt, peer, variables, args):
        """A media channel; the thread that dials it runs a little later."""
        app = self.apps.get(app_name)
        leg = rtp.UnicastRtp(self.sim.engine, ident, fmt, peer,
                             self.sim.media_host, self.sim.report)
        local = leg.local
        if self.sim.media_relay:
            leg.peer, local = self.sim.media_relay.between(leg.local, peer)
        name = f'UnicastRTP/{peer[0]}:{peer[1]}-0x{random.getrandbits(40):x}'
        channel = Channel(ident, name, 'Down', leg=leg)
        channel.vars.update(variables)
        channel.callers = self._callers_in(app)
        self.channels[ident] = channel
        self.emit('ChannelCreated', channel)
        self._varset(channel, 'UNICASTRTP_LOCAL_ADDRESS', local[0])
        self._varset(channel, 'UNICASTRTP_LOCAL_PORT', str(local[1]))
        line = {'app_name': 'AppDial2', 'app_data': '(Outgoing Line)'}
        channel.dialplan.update(line)
        self.emit('ChannelDialplan', channel, dialplan_app=line['app_name'],
                  dialplan_app_data=line['app_data'])
        if app:
            app.channels[ident] += 1    # from here on it is told
        snapshot = channel.snapshot(with_vars=True)
        if self.sim.media_start == 'before':
            self._dial_media(channel, app_name, args)
        elif self.sim.media_start == 'after':
            self.later(self.sim.media_start_delay_s, self._dial_media,
                       channel, app_name, args)
        return snapshot         # 'never': Asterisk's thread hangs

    def _dial_media(self, channel, app_name, args):
        if channel.id not in self.channels or channel.hanging_up:
            return
        self._emit_dial(channel, '')
        channel.state = 'Up'
        self.emit('ChannelStateChange', channel)
        self._emit_dial(channel, 'ANSWER')
        if not self.enter_stasis(channel, app_name, args):
            self.destroy(channel, 16, 'pbx')    # Stasis() failed: it ends

    def _emit_dial(self, channel, status):
        self.emit('Dial', channel, hidden=True, peer=channel.snapshot(),
                  dialstatus=status, forward='',
                  dialstring=f'{channel.name.split("/")[1].split("-")[0]}'
                             f'/c({channel.leg.fmt})')

    def _callers_in(self, app):
        return {c.id for c in self.channels.values()
                if c.phone and (app is None or c.app is app)}

    # bridges

    def create_bridge(self, ident, name, kind):
        bridge = Bridge(ident, name, kind)
        bridge.callers = self._callers_in(None)
        self.bridges[ident] = bridge
        self.emit('BridgeCreated', bridge=bridge)
        return bridge

    def add_to_bridge(self, bridge, channel):
        self.leave_bridge(channel)      # even if it is in this one
        channel.bridge = bridge
        bridge.channels.append(channel)
        if channel.app:
            channel.app.bridges[bridge.id] += 1
        self._wire(bridge)
        self.emit('ChannelEnteredBridge', channel, bridge)
        if len(bridge.channels) == 2:
            self._introduce(*bridge.channels)
            self._introduce(*reversed(bridge.channels))

    def _introduce(self, channel, peer):
        """Tell a channel of a bridge of two whom it is with."""
        self._varset(channel, 'BRIDGEPEER', peer.name)
        if peer.phone:
            self._varset(channel, 'BRIDGEPVTCALLID', f'{peer.id}@sim')
            if channel.connected != peer.caller:
                channel.connected = dict(peer.caller)
                self.emit('ChannelConnectedLine', channel)

    def leave_bridge(self, channel):
        bridge, channel.bridge = channel.bridge, None
        if bridge is None:
            return
        bridge.channels.remove(channel)
        self._unwire(channel)
        self._wire(bridge)
        self._varset(channel, 'BRIDGEPEER', '')
        self.emit('ChannelLeftBridge', channel, bridge)
        app = channel.app or channel.was_in
        if app and bridge.id in app.bridges:
            app.bridges[bridge.id] -= 1

    def destroy_bridge(self, bridge):
        told = [a for a in self.apps.values()
                if a.subscribe_all or a.bridges[bridge.id] > 0]
        for channel in list(bridge.channels):
            self.leave_bridge(channel)
        for playback in list(self.playbacks.values()):
            if playback['target_uri'] == f'bridge:{bridge.id}':
                self.finish_playback(playback, 'done')
        del self.bridges[bridge.id]
        for app in told:
            self.emit('BridgeDestroyed', bridge=bridge, only=app)
            del app.bridges[bridge.id]
        self._forget_apps()

    def wire_channel(self, channel):
        """After a change of mute."""
        if channel.bridge:
            self._wire(channel.bridge)

    @staticmethod
    def _unwire(channel):
        if channel.phone:
            channel.phone.stream.legs = ()
        if channel.leg:
            channel.leg.sinks = ()

    @staticmethod
    def _wire(bridge):
        """Connect every caller with every media channel of the bridge."""
        callers = [c for c in bridge.channels if c.phone]
        media = [c for c in bridge.channels if c.leg]
        for channel in callers:
            stream = channel.phone.stream
            stream.legs = () if 'in' in channel.muted else tuple(
                m.leg for m in media if 'out' not in m.muted) + tuple(
                Wire(c.phone) for c in callers if c is not channel)
            channel.phone.muted_out = 'out' in channel.muted
        for channel in media:
            channel.leg.sinks = () if 'in' in channel.muted else tuple(
                c.phone.hear for c in callers)
        if callers and media:
            ids = {c.id for c in callers}
            bridge.callers = ids
            for channel in media:
                channel.callers = ids

    # endings

    def hangup(self, channel, cause, soft, by):
        """A hangup request; the channel's thread ends it a moment later."""
        if channel.hanging_up:
            return
        channel.hanging_up = True
        if by == 'caller' and channel.state == 'Up':
            self._report_quality(channel)
        fields = {'soft': True, 'cause': SOFTHANGUP_EXPLICIT} if soft else {
            'cause': cause}
        self.emit('ChannelHangupRequest', channel, **fields)
        if channel.dialling:
            self.dialler.hung_up(channel)
        self.later(0 if by == 'caller' else self.sim.hangup_delay_s,
                   self.destroy, channel, cause, by)

    def _report_quality(self, channel):
        """What PJSIP sets at the end: events that nobody waits for."""
        peers = [c for c in (channel.bridge.channels if channel.bridge else ())
                 if c is not channel]
        for name in QOS:
            text = 'ssrc=1;themssrc=2;lp=0;rxjitter=0.000000;rxcount=1;'
            self._varset(channel, f'RTPAUDIOQOS{name}', text)
            for peer in peers:
                self._varset(peer, f'RTPAUDIOQOS{name}BRIDGED', text)

    def destroy(self, channel, cause, by):
        if self.channels.get(channel.id) is not channel:
            return
        for playback in [p for p in self.playbacks.values()
                         if p['target_uri'] == f'channel:{channel.id}']:
            self.finish_playback(playback, 'done')
        if self.sim.stasis_end_first:
            self.leave_stasis(channel)
        self.leave_bridge(channel)
        self.leave_stasis(channel)
        del self.channels[channel.id]
        self.emit('ChannelDestroyed', channel, cause=cause,
                  cause_txt=CAUSES.get(cause, 'Unknown'))
        for app in self.apps.values():
            app.channels.pop(channel.id, None)
        self._forget_apps()
        if channel.leg:
            channel.leg.close()
        if channel.phone:
            self._left_ns[channel.id] = time.monotonic_ns()
            channel.phone.end(cause, by)
        if channel.dialling:
            self.dialler.destroyed(channel)

    def drop_everything(self):
        """The process ends: no event, no goodbye."""
        for channel in self.channels.values():
            self._unwire(channel)
            if channel.leg:
                channel.leg.close()
            if channel.phone:
                channel.phone.end(None, 'pbx')

    def leftovers(self, older_than_s):
        """Media channels and bridges whose callers are all gone."""
        now = time.monotonic_ns()
        found = []
        media = [c for c in self.channels.values() if c.leg]
        for thing in media + list(self.bridges.values()):
            alive = [c for c in thing.callers if c in self.channels
                     and self.channels[c].app is not None]
            since = max([thing.created_ns] + [self._left_ns.get(c, 0)
                                              for c in thing.callers])
            if not alive and now - since >= older_than_s * 1e9:
                found.append((type(thing).__name__.lower(), thing.id))
        return found

    # playbacks

    def play(self, target, ident, media):
        """To "channel:ID", or into "bridge:ID", where nobody notes it."""
        playback = {'id': ident, 'media_uri': media[0],
                    'target_uri': target, 'language': 'es',
                    'state': 'queued'}
        self.playbacks[ident] = playback
        snapshot = dict(playback)
        self.later(0.001, self._play_next, playback, list(media), 0)
        return snapshot

    def _target(self, playback):
        return self.channels.get(playback['target_uri'].partition(':')[2])

    def _play_next(self, playback, media, done):
        if playback['id'] not in self.playbacks:
            return
        channel = self._target(playback)
        if done == len(media):
            self.finish_playback(playback, 'done')
            return
        name = media[done].partition(':')[2]
        seconds = self.sim.sounds.get(
            name, 86400 if media[done].startswith('tone:')
            else self.sim.default_sound_s)
        playback.update(media_uri=media[done], state='playing')
        if channel:
            self.emit('PlaybackStarted' if done == 0 else
                      'PlaybackContinuing', channel, hidden=True,
                      playback=dict(playback))
        if seconds is None:
            self.finish_playback(playback, 'failed')
            return
        if channel and channel.phone:
            now = time.monotonic_ns()
            channel.phone.heard.append((name, now, now + int(seconds * 1e9)))
            channel.phone.note(f'plays {name}')
        self.later(seconds, self._play_next, playback, media, done + 1)

    def finish_playback(self, playback, state):
        if self.playbacks.pop(playback['id'], None) is None:
            return
        playback['state'] = state
        channel = self._target(playback)
        if channel:
            self.emit('PlaybackFinished', channel, hidden=True,
                      playback=dict(playback))

