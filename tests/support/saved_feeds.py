"""Files of strangers in their real form: an RSS 2.0 and an Atom feed, and a complete submission of EDGAR."""

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/">
  <channel>
    <title>Example Wire: Markets</title>
    <link>https://news.example.org/markets</link>
    <description>Market news</description>
    <lastBuildDate>Fri, 10 Oct 2008 21:00:00 GMT</lastBuildDate>
    <item>
      <title>Stocks slide for an eighth day &amp; credit stays frozen</title>
      <link>https://news.example.org/markets/1</link>
      <description><![CDATA[<p>Shares fell <b>again</b> as banks&#8217; funding
        dried up.</p><script>alert(1)</script>]]></description>
      <pubDate>Fri, 10 Oct 2008 16:45:10 -0400</pubDate>
      <guid isPermaLink="false">wire-2008-10-10-1</guid>
    </item>
    <item>
      <title>Central banks cut rates together</title>
      <link>https://news.example.org/markets/2</link>
      <pubDate>Wed, 08 Oct 2008 11:00:00 GMT</pubDate>
    </item>
  </channel>
</rss>
"""

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Example Filings</title>
  <id>urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6</id>
  <updated>2008-10-11T08:00:00Z</updated>
  <entry>
    <title>8-K - EXAMPLE CORP</title>
    <link href="https://news.example.org/8k"/>
    <id>urn:tag:example.org,2008:accession-number=0000000000-08-000123</id>
    <published>2008-10-09T16:05:00-04:00</published>
    <updated>2008-10-10T09:15:00-04:00</updated>
    <summary type="html">&lt;b&gt;Item 2.02&lt;/b&gt; Results of operations, as corrected.</summary>
  </entry>
</feed>
"""

SUBMISSION = """<SEC-DOCUMENT>0000000000-08-000065.txt : {filed}
<SEC-HEADER>0000000000-08-000065.hdr.sgml : {filed}
<ACCEPTANCE-DATETIME>{accepted}
ACCESSION NUMBER:\t\t0000000000-08-000065
CONFORMED SUBMISSION TYPE:\t8-K
PUBLIC DOCUMENT COUNT:\t\t2
CONFORMED PERIOD OF REPORT:\t20080721
ITEM INFORMATION:\t\tResults of Operations and Financial Condition
FILED AS OF DATE:\t\t{filed}
DATE AS OF CHANGE:\t\t{filed}

FILER:

\tCOMPANY DATA:\t
\t\tCOMPANY CONFORMED NAME:\t\t\tEXAMPLE CORP
\t\tCENTRAL INDEX KEY:\t\t\t0000000000
\t\tSTANDARD INDUSTRIAL CLASSIFICATION:\tELECTRONIC COMPUTERS [3571]
\t\tIRS NUMBER:\t\t\t\t000000000
\t\tSTATE OF INCORPORATION:\t\t\tCA
\t\tFISCAL YEAR END:\t\t\t0930

\tFILING VALUES:
\t\tFORM TYPE:\t\t8-K
\t\tSEC ACT:\t\t1934 Act
</SEC-HEADER>
<DOCUMENT>
<TYPE>8-K
<SEQUENCE>1
<FILENAME>form8-k.htm
<DESCRIPTION>FORM 8-K
<TEXT>
<html><head><title>form8-k.htm</title></head><body>
<p>Item 2.02 Results of Operations.</p><p>Revenue fell by a fifth&nbsp;&#8212; the outlook is withdrawn.</p>
</body></html>
</TEXT>
</DOCUMENT>
<DOCUMENT>
<TYPE>EX-99.1
<SEQUENCE>2
<TEXT>
Press release
</TEXT>
</DOCUMENT>
</SEC-DOCUMENT>
"""
