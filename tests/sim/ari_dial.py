# SPDX-License-Identifier: MIT
"""ari_dial.py – telephones that Asterisk calls: POST /channels.

Who is there is in sim.people, by what is dialled; sim.person() puts somebody
there. What the application is told was measured on Asterisk 22.10.1: a leg is
in Stasis only when it was answered, and a Local channel is two.
"""
from . import rtp
from .phone import Phone

# How a telephone may decline: Q.850 cause and Dial status.
REFUSALS = {'busy': (17, 'BUSY'), 'declined': (21, 'NOANSWER'),
            'unavailable': (19, 'NOANSWER'), 'not found': (1, 'NOANSWER'),
            'congestion': (34, 'CONGESTION')}
NO_ANSWER = 19


class Person(Phone):
    """Somebody's telephone. It rings until told more; refuses: how it
    declines every call."""

    def __init__(self, sim, endpoint, codec='ulaw', refuses=None):
        super().__init__(sim, 'person', '', endpoint, codec)
        self.endpoint, self.refuses = endpoint, refuses
        self.caller = None          # who calls, as shown

    def pick_up(self):
        self.sim.on_loop(self._dialler().answered, self.channel)
        return self

    def decline(self, how='declined'):
        self.sim.on_loop(self._dialler().refused, self.channel, how)

    def _dialler(self):
        return self.sim.model.dialler


class Wire:
    """From one telephone to another through a bridge."""

    def __init__(self, phone):
        self.phone = phone

    def send(self, codec, seq, ts, marker, payload, now_ns):
        self.phone.hear(now_ns, seq, ts, marker, rtp.PAYLOAD_TYPE[codec],
                        payload)


class Dialler:
    """Legs from POST /channels until they are answered or over."""

    def __init__(self, model):
        self.model, self.sim = model, model.sim

    def originate(self, make, ident, endpoint, app_name, args, caller,
                  timeout_s, variables):
        """make: the Channel class. None where nothing can be dialled."""
        person = self.sim.people.get(endpoint)
        is_local = endpoint.startswith('Local/')
        if person is None and not is_local or person and person.channel:
            return None
        leg = make(ident, f'{endpoint}-00000001' + ';1' * is_local, 'Down',
                   phone=person)
        leg.caller, leg.connected = dict(caller), dict(caller)
        leg.vars.update(variables)
        leg.dialplan.update(app_name='AppDial2', app_data='(Outgoing Line)')
        leg.dialling = endpoint.partition('/')[2]
        self.model.channels[ident] = leg
        app = self.model.apps.get(app_name)
        if app:
            app.channels[ident] += 1    # from here on it is told
        if is_local:
            self._second_half(make, leg, app)
        if person is not None:
            person.channel, person.caller = leg, dict(caller)
        self.model.later(.001, self._dial, leg, person, app_name, args,
                         timeout_s)
        return leg.snapshot()

    def _second_half(self, make, leg, app):
        half = make(leg.id + ';2', leg.name[:-1] + '2', 'Ring')
        leg.half = half
        self.model.channels[half.id] = half
        if app:
            app.channels[half.id] += 1

    def _dial(self, leg, person, app_name, args, timeout_s):
        if leg.hanging_up or leg.id not in self.model.channels:
            return
        leg.stasis = (app_name, args)
        if person is None:              # no such extension
            self._over(leg, 0)
            return
        self._emit(leg, '')
        if person.refuses:
            self.refused(leg, person.refuses)
            return
        leg.state = 'Ringing'
        person.ring()
        self.model.emit('ChannelStateChange', leg)
        self._emit(leg, 'RINGING')
        if timeout_s > 0:
            self.model.later(timeout_s, self._timed_out, leg)

    def _emit(self, leg, status):
        self.model.emit('Dial', leg, hidden=True, peer=leg.snapshot(),
                        dialstatus=status, forward='',
                        dialstring=leg.dialling)

    def _timed_out(self, leg):
        if leg.state == 'Ringing' and not leg.hanging_up:
            self._over(leg, NO_ANSWER)

    def answered(self, leg):
        if leg is None:             # whoever called has hung up
            return
        if leg.state != 'Ringing' or leg.hanging_up:
            return
        leg.state = 'Up'
        leg.phone.answer()
        self.model.emit('ChannelStateChange', leg)
        self._emit(leg, 'ANSWER')
        if not self.model.enter_stasis(leg, *leg.stasis):
            self._over(leg, 16)

    def refused(self, leg, how):
        if leg is None:
            return
        if leg.state == 'Up' or leg.hanging_up:
            return
        cause, status = REFUSALS[how]
        self.model.emit('ChannelHangupRequest', leg, cause=cause)
        self._emit(leg, status)
        self._over(leg, cause)

    def _over(self, leg, cause):
        self.model.destroy(leg, cause, 'pbx')

    def hung_up(self, leg):
        """A hangup request met a leg that was not answered yet."""
        if leg.state != 'Up':
            self._emit(leg, 'NOANSWER')

    def destroyed(self, leg):
        """Its other half goes with it, and the telephone is free again."""
        if leg.half is not None:
            self.model.destroy(leg.half, 16, 'pbx')
        if leg.phone is not None:
            leg.phone.channel = None
