"""A broker that is none of backtrader's simulated ones."""

import backtrader as bt


class LiveBroker(bt.broker.BrokerBase):
    """As a store's broker: not a simulation."""

    def getvalue(self, datas=None):
        return 1.0

    def getcash(self):
        return 1.0

    def get_notification(self):
        return None
